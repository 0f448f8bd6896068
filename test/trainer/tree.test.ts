/** @file The files of a trainer's worker, by the program's own code for files: run folders, states, locks, logs. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import * as fs from '../../src/trainer/node/fs.ts';
import * as promises from '../../src/trainer/node/fs-promises.ts';
import { type Keeper, mount, newFile, Tree, type TreeFile, tree } from '../../src/trainer/node/tree.ts';

const text = (file: TreeFile) => new TextDecoder().decode(file.content as Uint8Array);

/** Keeps in memory what a browser's disk would, in the order in which it was told. */
class Told implements Keeper {
  readonly said: string[] = [];

  keeps(path: string): boolean {
    return path.startsWith('/run');
  }

  write(path: string, file: TreeFile): void {
    this.said.push(`write ${path} ${text(file)}`);
  }

  makeFolder(path: string): void {
    this.said.push(`folder ${path}`);
  }

  remove(path: string): void {
    this.said.push(`remove ${path}`);
  }

  async settled(): Promise<void> {}

  async free(): Promise<undefined> {}
}

let keeper: Told;
beforeEach(() => {
  keeper = new Told();
  mount(new Tree(keeper));
});

describe('the tree', () => {
  test('is to callers what Node is: the same calls on a folder of the disk have the same answers and codes', async () => {
    const answers = async (own: { fs: typeof fs; promises: typeof promises }, root: string) => {
      const said: unknown[] = [];
      const hear = async (work: () => unknown) => {
        try {
          said.push(await work());
        } catch (error) {
          said.push((error as { code: string }).code);
        }
      };
      const at = (name: string) => join(root, name);
      await hear(() => own.promises.readFile(at('a'), 'utf8'));
      await hear(() => own.promises.mkdir(at('x/y')));
      await hear(() => own.promises.mkdir(at('x')));
      await hear(() => own.promises.mkdir(at('x')));
      await hear(() => own.promises.writeFile(at('x/a'), 'one'));
      await hear(() => own.promises.rmdir(at('x')));
      await hear(() => own.promises.link(at('x/a'), at('x/b')));
      await hear(() => own.promises.link(at('x/a'), at('x/b')));
      await hear(() => own.promises.rename(at('x/a'), at('x/c')));
      await hear(() => own.promises.readdir(at('x')));
      await hear(() => own.promises.readFile(at('x'), 'utf8'));
      await hear(() => own.promises.readlink(at('x/b')));
      await hear(() => own.fs.existsSync(at('x/a')));
      await hear(() => own.fs.readFileSync(at('x/c'), 'utf8'));
      await hear(async () => {
        const fd = own.fs.openSync(at('x/log'), 'a');
        own.fs.writeSync(fd, 'first\n');
        own.fs.writeSync(fd, 'second\n');
        own.fs.ftruncateSync(fd, 9);
        own.fs.closeSync(fd);
        return own.fs.readFileSync(at('x/log'), 'utf8');
      });
      await hear(async () => (await own.promises.stat(at('x/log'))).isFile());
      await hear(async () => {
        const handle = await own.promises.open(at('x/new'), 'wx');
        await handle.writeFile('ab');
        await handle.writeFile('cd');
        await handle.close();
        return own.promises.readFile(at('x/new'), 'utf8');
      });
      await hear(() => own.promises.open(at('x/new'), 'wx').then(() => undefined));
      await hear(() => own.promises.rm(at('none'), { force: true }));
      await hear(() => own.promises.rm(at('none')));
      await hear(() => own.promises.rm(at('x'), { recursive: true }));
      await hear(() => own.fs.statSync(at('x'), { throwIfNoEntry: false }));
      return said;
    };
    const disk = mkdtempSync(join(tmpdir(), 'tessera-tree-'));
    const node = { fs: await import('node:fs'), promises: await import('node:fs/promises') };
    const expected = await answers(node as unknown as { fs: typeof fs; promises: typeof promises }, disk);
    tree().makeFolder('/run');
    expect(await answers({ fs, promises }, '/run')).toEqual(expected);
  });

  test('has a log kept when it is synced, and a replaced file only whole, under its own name', async () => {
    await promises.mkdir('/run');
    const log = fs.openSync('/run/metrics.jsonl', 'a');
    fs.writeSync(log, 'one\n');
    fs.writeSync(log, 'two\n');
    expect(keeper.said).toEqual(['folder /run']);
    fs.fsyncSync(log);
    const temporary = await promises.open('/run/.config.json.1.x.tmp', 'w');
    await temporary.writeFile('{}');
    await temporary.sync();
    await temporary.close();
    await promises.rename('/run/.config.json.1.x.tmp', '/run/config.json');
    fs.closeSync(log);
    expect(keeper.said).toEqual(['folder /run', 'write /run/metrics.jsonl one\ntwo\n', 'write /run/config.json {}']);
  });

  test('reads pieces of what is not in memory, and tells that it cannot be read at once', async () => {
    tree().root.entries.set('picture.png', newFile(new Blob(['abcdef'])));
    const handle = await promises.open('/picture.png', 'r');
    const into = new Uint8Array(3);
    expect(await handle.read(into, 1, 2, 2)).toMatchObject({ bytesRead: 2 });
    expect([...into]).toEqual([0, 99, 100]);
    expect(() => fs.readFileSync('/picture.png')).toThrow('EIO');
  });
});
