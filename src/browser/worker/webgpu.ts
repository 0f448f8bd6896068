/** @file The worker that paints on a GPU: worker-webgpu.js of the package, fetched only where there is one. */
import { UserError } from '../../core/errors.ts';
import { findGpu } from '../../device/webgpu/dawn.ts';
import { activateWebgpu } from '../../device/webgpu/webgpu.ts';
import { serve } from './serve.ts';

serve(async ({ software = false }) => {
  if (!software && (await findGpu()).gpu === undefined) {
    throw new UserError('backend webgpu', 'this browser offers this page no GPU');
  }
  const gpu = await activateWebgpu();
  const { name, vendor, architecture } = gpu.summary;
  return {
    threads: 1,
    device: name || `${vendor} ${architecture}`.trim(),
    isLost: error => error instanceof UserError && error.message.startsWith('webgpu: '),
  };
});
