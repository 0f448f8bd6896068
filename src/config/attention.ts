/** @file Names of the patterns of attention masks, which a transformer's config chooses from. */
import { OpenNames } from './names.ts';

/** src/nn/masks.ts gives them their meaning, and `defineMask` adds more. */
export const attentionPatterns = new OpenNames(['full', 'dalle']);
