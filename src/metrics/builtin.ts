/** @file Defines the metrics that come with Tessera, in the order in which they are measured and listed. */
import './kid.ts';
import './prdc.ts';
import './frechet.ts';
import './cmmd.ts';
import './clipscore.ts';
import './rprecision.ts';
import './accuracy.ts';
import './likelihood.ts';
import './captiongain.ts';
import './similarity.ts';
import './memorisation.ts';
