/** @file The one document that the studio serves: empty but for what a reader without scripts is told. Holds no secret. */
import { html } from '../../report/markup.ts';
import { entryAddress } from './assets.ts';

/** Scripts, styles and requests of this server alone; pictures also of the page's own making. */
export const shellPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'";

/** Where the style sheet is. */
export const styleAddress = '/assets/style.css';

export const shell = `<!doctype html>\n${
  html`<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<title>Tessera studio</title>
<link rel="icon" href="data:," />
<link rel="stylesheet" href="${styleAddress}" />
<script type="module" src="${entryAddress}"></script>
</head>
<body>
<header class="top"></header>
<main tabindex="-1"><noscript><p>The studio needs scripts: allow them for this address, which is your own machine.</p></noscript></main>
</body>
</html>`.markup
}\n`;
