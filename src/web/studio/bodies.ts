/** @file What a request brings, checked by a schema. */
import type { z } from 'zod';
import { Refusal } from '../guard.ts';

/** @throws Refusal naming the first field that does not fit */
export function readBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Refusal(400, `${issue.path.join('.') || 'request'}: ${issue.message.toLowerCase()}`);
}
