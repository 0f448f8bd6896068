/** @file `tessera doctor`: which backends work on this machine, how fast each multiplies, and how to get the others. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'say which backends work here and how fast they are',
  examples: ['tessera doctor'],
  result: {
    node: 'version',
    platform: 'system and processor architecture',
    processor: 'model',
    cores: 'how many',
    memory: 'in bytes',
    tfjs: 'version of tfjs-core',
    backends: 'each with name, works, and either its speeds (GFLOP/s by precision; peak, gpu) or problem and hint',
    auto: 'the backend that --backend auto takes',
  },
  flags: () => z.object({}),
  run: async (session, { answer }) => answer(await (await import('../doctor/doctor.ts')).examineBackends(session)),
});
