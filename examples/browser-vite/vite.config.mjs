/** @file Vite finds the workers and the kernels by itself; in development it is to leave the package as it is. */
export default {
  base: './',
  build: { target: 'es2022' },
  optimizeDeps: { exclude: ['tesserae'] },
};
