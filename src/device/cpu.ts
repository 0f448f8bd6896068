/** @file tfjs's backend in plain JavaScript: the last resort, and without the advertisement that it prints at its first use. */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { keepQuiet } from './tfjs.ts';

/** Makes the backend the active one. */
export async function activateCpu(): Promise<void> {
  await tf.setBackend('cpu');
  keepQuiet(tf.backend());
}
