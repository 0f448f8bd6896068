/**
 * @file Whether Vulkan, by which Dawn reaches a GPU on Linux, has a driver. Without one Dawn writes lines of its own to
 * stderr, which nothing in its process can hold back; so where none is installed in a usual place, a process whose stderr
 * is not seen asks Dawn first. That knows the drivers named by environment variables too.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

/** Where drivers of the system are described (Vulkan-Loader, "Driver Discovery on Linux"). */
const folders = ['/etc', '/usr/share', '/usr/local/etc', '/usr/local/share'].map(folder => `${folder}/vulkan/icd.d`);

/** A program that fails where Dawn finds no adapter. @param webgpu where the package is */
const question = (webgpu: string) => `
const { create, globals } = await import(${JSON.stringify(webgpu)});
Object.assign(globalThis, globals);
if ((await create([]).requestAdapter()) === null) throw new Error('no adapter');`;

/** Whether it is worth asking Dawn for an adapter. */
export async function mayHaveVulkan(): Promise<boolean> {
  if (process.platform !== 'linux') return true; // Direct3D or Metal
  if (folders.some(folder => existsSync(folder) && readdirSync(folder).length > 0)) return true;
  const argv = ['--input-type=module', '--eval', question(import.meta.resolve('webgpu'))];
  return new Promise(resolve => {
    execFile(process.execPath, argv, { timeout: 30_000 }, error => resolve(error === null));
  });
}
