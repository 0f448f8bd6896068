/** @file What an area of the studio answers: a method, a path with names for what varies, and what to do. Finds the route of a request. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request, as its route sees it. */
export interface Asked {
  readonly request: IncomingMessage;
  /** What stood in the place of `:name`. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Aborted when the client has gone away, or the studio closes. */
  readonly signal: AbortSignal;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** E.g. `/api/runs/:run/curves`; `:run` stands for one part between slashes. */
  readonly path: string;
  /** What it throws becomes an answer: a `Refusal` with its status, a `UserError` with 400 and its line, anything else with 500. */
  readonly answer: (asked: Asked, response: ServerResponse) => Promise<void>;
}

/** What varies in a path: an id, a step, a kind. Nothing that a path of the disk could be made of. */
const PART = /^[\w-]{1,64}$/;

/** What a path is, where it is the route's: values of its names; undefined where it is another. */
function matchPath(pattern: string, pathname: string): Readonly<Record<string, string>> | undefined {
  const [wanted, given] = [pattern, pathname].map(path => path.split('/'));
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    if (!part.startsWith(':')) {
      if (part !== given[i]) return undefined;
    } else if (PART.test(given[i])) params[part.slice(1)] = given[i];
    else return undefined;
  }
  return params;
}

/** The route of a request and what varies in its path; HEAD is answered as GET. */
export function findRoute(
  routes: readonly Route[],
  method: string | undefined,
  pathname: string,
): { readonly route: Route; readonly params: Asked['params'] } | 'no such path' | 'no such method' {
  let known = false;
  for (const route of routes) {
    const params = matchPath(route.path, pathname);
    if (params === undefined) continue;
    if (route.method === (method === 'HEAD' ? 'GET' : method)) return { route, params };
    known = true;
  }
  return known ? 'no such method' : 'no such path';
}
