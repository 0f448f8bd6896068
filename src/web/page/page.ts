/** @file What a page of the studio is, and how addresses name it: `#/run/ID`, `#/compare?runs=a,b`. */

export interface Context {
  readonly query: URLSearchParams;
  /** Aborted when the page is left: calls that are under way end. */
  readonly signal: AbortSignal;
  /** What the tab is called. */
  readonly setTitle: (title: string) => void;
  /** Whether there is a page of such an address: links to others are not made. */
  readonly knows: (address: string) => boolean;
}

export interface Page {
  /**
   * Shows it.
   * @param main empty, and the page's until it is left
   * @returns what is to be done when it is left; may come later, once what it needs has arrived
   */
  open(main: HTMLElement, params: Readonly<Record<string, string>>, context: Context): Closing | Promise<Closing>;
}

type Closing = (() => void) | undefined;

/** A page and its place: `/run/:run`. With `menu` it stands in the menu of all pages. */
export interface Listed {
  readonly path: string;
  readonly page: Page;
  readonly menu?: string;
}

/** The values of the names in a path; undefined where an address is another one. */
export function paramsOf(path: string, address: string): Readonly<Record<string, string>> | undefined {
  const [wanted, given] = [path, address].map(each => each.split('/'));
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    if (part.startsWith(':') && given[i] !== '') params[part.slice(1)] = given[i];
    else if (part !== given[i]) return undefined;
  }
  return params;
}
