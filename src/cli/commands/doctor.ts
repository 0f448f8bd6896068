/** @file `tessera doctor`: which backends work on this machine, how fast each multiplies, and how to get the others. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'say which backends work here and how fast they are',
  examples: ['tessera doctor'],
  flags: () => z.object({}),
  run: async session => (await import('../doctor/doctor.ts')).examineBackends(session),
});
