/** @file What a request brings, checked by a schema, and pages that commands have made. */
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import type { z } from 'zod';
import { guardHeaders, Refusal } from '../guard.ts';

/** @throws Refusal naming the first field that does not fit */
export function readBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Refusal(400, `${issue.path.join('.') || 'request'}: ${issue.message.toLowerCase()}`);
}

/** A report forbids itself to load anything; here it is told again, and to be nobody's page: it has captions and names in it. */
const PAGE_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** Answers with the HTML of a report. */
export async function sendPage(response: ServerResponse, path: string): Promise<void> {
  const page = await readFile(path);
  response.writeHead(200, { ...guardHeaders(PAGE_POLICY), 'Content-Type': 'text/html; charset=utf-8' });
  response.end(page);
}
