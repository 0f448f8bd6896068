/** @file Makes the page one that may compute on all cores, by a service worker where its server does not say so (../isolate.ts). */

/** That it was tried in this tab: a browser that will not is not asked again. */
const TRIED = 'tessera-isolation-tried';

/** @returns whether the page is about to be loaded anew */
export async function isolate(): Promise<boolean> {
  if (crossOriginIsolated || !isSecureContext || !('serviceWorker' in navigator)) return false;
  if (sessionStorage.getItem(TRIED) !== null) return false;
  sessionStorage.setItem(TRIED, 'yes');
  try {
    await navigator.serviceWorker.register(new URL('./isolate.js', import.meta.url));
    await navigator.serviceWorker.ready;
    location.reload();
    return true;
  } catch {
    return false; // then one core computes
  }
}
