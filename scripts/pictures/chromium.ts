/**
 * @file A real browser for tests and pictures of pages, Debian's chromium, driven by its own protocol through a pipe: pages are opened, keys pressed,
 * and what stands in them read. It reaches no network but this machine.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** The program; undefined where there is none. */
export const chromium = names.find(name => spawnSync(name, ['--version']).status === 0);

/** A message of the protocol. */
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/**
 * WebGPU on SwiftShader. Workgroup memory is not zeroed, as in Node (src/device/webgpu/dawn.ts): SwiftShader would be minutes
 * compiling that.
 */
const softwareGpu = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-dawn-features=disable_workgroup_init',
];

/** One browser with one page. */
export class Browser {
  /** What pages have written on the console, and errors of scripts and policies. */
  readonly console: string[] = [];
  private readonly child: ChildProcess;
  private readonly home: string;
  private readonly waiting = new Map<number, (message: Message) => void>();
  private readonly hearing = new Map<string, (() => void)[]>();
  private session: string | undefined;
  private count = 0;

  private constructor(child: ChildProcess, home: string) {
    this.child = child;
    this.home = home;
    let text = '';
    (child.stdio[4] as Readable).setEncoding('utf8').on('data', (part: string) => {
      const messages = (text + part).split('\0');
      text = messages.pop() ?? '';
      for (const message of messages) this.hear(JSON.parse(message) as Message);
    });
  }

  /**
   * Starts it.
   * @param options.downloads folder that downloads go to; @param options.hosts names that lead to this machine, as an attacker's may
   * @param options.gpu whether pages have WebGPU, on SwiftShader
   */
  static async start(
    options: { readonly downloads?: string; readonly hosts?: readonly string[]; readonly gpu?: boolean } = {},
  ): Promise<Browser> {
    const home = mkdtempSync(join(tmpdir(), 'tessera-browser-'));
    const own = (options.hosts ?? []).map(host => `MAP ${host} 127.0.0.1`);
    const rules = [...own, 'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1'];
    const flags = [
      '--headless=new',
      '--no-sandbox',
      ...(options.gpu === true ? softwareGpu : ['--disable-gpu']),
      '--disable-dev-shm-usage',
      `--host-resolver-rules=${rules.join(', ')}`,
      '--disable-background-networking',
      '--no-first-run',
      `--user-data-dir=${join(home, 'profile')}`,
      '--remote-debugging-pipe',
    ];
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] as const;
    const child = spawn(chromium ?? '', [...flags, 'about:blank'], {
      stdio: [...stdio],
      env: { ...process.env, HOME: home },
      detached: true, // a group of its own, which ends as a whole
    });
    const browser = new Browser(child, home);
    const { targetInfos } = (await browser.send('Target.getTargets')) as {
      targetInfos: { type: string; targetId: string }[];
    };
    const page = targetInfos.find(({ type }) => type === 'page');
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId: page?.targetId, flatten: true });
    browser.session = String(sessionId);
    await Promise.all(['Page', 'Runtime', 'Log'].map(domain => browser.send(`${domain}.enable`)));
    if (options.downloads !== undefined) {
      await browser.send('Browser.setDownloadBehavior', {
        behavior: 'allow',
        downloadPath: options.downloads,
        eventsEnabled: true,
      });
    }
    return browser;
  }

  /** Opens an address, or the same again, and waits until it is loaded. */
  async open(url: string): Promise<void> {
    const loaded = this.once('Page.loadEventFired');
    await this.send('Page.navigate', { url });
    await loaded;
  }

  async reload(): Promise<void> {
    const loaded = this.once('Page.loadEventFired');
    await this.send('Page.reload');
    await loaded;
  }

  /** The value of an expression in the page; a promise is waited for. */
  async read<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    })) as { result: { value: T }; exceptionDetails?: { text: string; exception?: { description?: string } } };
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until an expression of the page is true. */
  async until(expression: string): Promise<void> {
    await this.read(`new Promise(resolve => {
      const look = () => ((${expression}) ? resolve(true) : setTimeout(look, 15));
      look();
    })`);
  }

  /** Presses a key, as a person does. */
  async press(key: string, code = key): Promise<void> {
    const text = key === 'Enter' ? '\r' : undefined;
    const codes: Readonly<Record<string, number>> = {
      ArrowLeft: 37,
      ArrowRight: 39,
      ArrowDown: 40,
      Enter: 13,
      Escape: 27,
      End: 35,
      Home: 36,
    };
    const windowsVirtualKeyCode = codes[key];
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, code, text, windowsVirtualKeyCode });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code, windowsVirtualKeyCode });
  }

  /** Presses the mouse at the first of some places of the window, moves it over the others, and lets it go. */
  async drag(...places: readonly (readonly [x: number, y: number])[]): Promise<void> {
    const send = (type: string, [x, y]: readonly [number, number], buttons: number) =>
      this.send('Input.dispatchMouseEvent', { type, x, y, buttons, button: 'left', clickCount: 1 });
    const [first] = places;
    await send('mouseMoved', first, 0);
    await send('mousePressed', first, 1);
    for (const place of places.slice(1)) await send('mouseMoved', place, 1);
    await send('mouseReleased', places[places.length - 1], 0);
  }

  /** Waits for a file to be downloaded. @param begin what starts it */
  async download(begin: () => Promise<unknown>): Promise<void> {
    const done = this.once('Browser.downloadProgress completed');
    await begin();
    await done;
  }

  /** How large the window is, whether dark, whether it is a touch screen, and whether nothing shall move. */
  async look(options: {
    readonly width: number;
    readonly height: number;
    readonly isDark?: boolean;
    readonly isPhone?: boolean;
    readonly isStill?: boolean;
  }): Promise<void> {
    const { width, height, isDark = false, isPhone = false, isStill = false } = options;
    await this.send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: isPhone ? 2 : 1,
      mobile: isPhone,
    });
    await this.send('Emulation.setTouchEmulationEnabled', {
      enabled: isPhone,
      ...(isPhone ? { maxTouchPoints: 1 } : {}),
    });
    await this.send('Emulation.setEmulatedMedia', {
      features: [
        { name: 'prefers-color-scheme', value: isDark ? 'dark' : 'light' },
        { name: 'prefers-reduced-motion', value: isStill ? 'reduce' : 'no-preference' },
      ],
    });
  }

  /** A picture of the window. */
  async screenshot(path: string): Promise<void> {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    writeFileSync(path, Buffer.from(String(data), 'base64'));
  }

  /** Ends the process that computes on the GPU, as a failing driver does. */
  async loseGpu(): Promise<void> {
    await this.send('Browser.crashGpuProcess');
  }

  async close(): Promise<void> {
    const closed = new Promise(resolve => this.child.once('close', resolve));
    // Its other processes would write into the profile while it is taken away.
    if (this.child.pid !== undefined) process.kill(-this.child.pid, 'SIGKILL');
    await closed;
    rmSync(this.home, { recursive: true, force: true, maxRetries: 10 });
  }

  private send(method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.count;
    const message = { id, method, params, sessionId: method.startsWith('Browser.') ? undefined : this.session };
    (this.child.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result ?? {}) : reject(new Error(`${method}: ${error.message}`)),
      );
    });
  }

  private once(event: string): Promise<void> {
    return new Promise(resolve => this.hearing.set(event, [...(this.hearing.get(event) ?? []), resolve]));
  }

  private hear(message: Message): void {
    if (message.id !== undefined) {
      this.waiting.get(message.id)?.(message);
      this.waiting.delete(message.id);
      return;
    }
    const { method = '', params = {} } = message;
    if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded' || method === 'Runtime.consoleAPICalled') {
      this.console.push(JSON.stringify(params));
    }
    const event = method === 'Browser.downloadProgress' ? `${method} ${params.state}` : method;
    for (const resolve of this.hearing.get(event) ?? []) resolve();
    this.hearing.delete(event);
  }
}
