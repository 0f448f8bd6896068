/** @file What a copy for painting leaves out of a file of weights, as the file's metadata says it. */

/** The key of the metadata; its value is a part of the network, `caption_head` or `encoder`. */
export const omittedKey = 'omitted';
