/** @file A setup file of vitest (vitest.config.ts): records what the tests call into the folder that TESSERA_RECORD names. */
import { afterAll } from 'vitest';
import { recordCalls } from './record.ts';

const folder = process.env.TESSERA_RECORD;
if (folder === undefined) throw new Error('record: expected a folder in TESSERA_RECORD');
afterAll(recordCalls(folder));
