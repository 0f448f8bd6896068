import * as tf from '@tensorflow/tfjs-core';
import { selectBackend } from './src/backends/index.ts';
import { read, write, assemble } from './src/backends/webgpu/program.ts';
import { activeGpu } from './src/backends/webgpu/webgpu.ts';
import { multiply } from './src/kernels/wgsl/gemm.ts';
await selectBackend('webgpu');
const b = activeGpu()!;
b.precision = process.env.F16 ? 'f16' : 'fp32';
if (process.env.F16) b.matrixUnits = b.summary.matrices[0];
for (const [M,N,K,batch,w] of [[65,67,33,1,1],[68,68,36,1,4],[131,73,20,64,1],[132,76,20,64,4],[1,70,141,1,1],[16,80,140,1,4]]) {
  const a = tf.zeros([batch*M*K]), c = tf.zeros([batch*N*K]); const y = b.output([batch*M*N]);
  const at = '(batch*u.M+row)*u.N+column';
  const el = w === 4 ? 'vec4f' : undefined, d = w === 4 ? '/4u' : '';
  for (let i = 0; i < 2; i++) {
    const c0 = process.cpuUsage();
    const t0 = Date.now();
    multiply(b, { name: 't', M, N, K, batch, storeWidth: w as 1, a: { load: `return a[((batch*u.M+row)*u.K+k)${d}];`, fast: 'k', width: w as 1 }, b: { load: `return b[((batch*u.N+row)*u.K+k)${d}];`, fast: 'k', width: w as 1 },
      bindings: [read('a', a, el), read('b', c, el), write('y', y, el)], store: `y[(${at})${d}] = value;` });
    await b.finish();
    const cpu = process.cpuUsage(c0);
    console.log(M,N,K,batch,w, i, 'cpu ms', (cpu.user+cpu.system)/1000, 'wall', Date.now()-t0);
  }
}
process.exit(0)
