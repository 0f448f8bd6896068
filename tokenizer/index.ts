/** @file What a tokenizer is: a modality to ids and back. */

/** Turns values of one modality into ids below `vocabSize` and ids into values. */
export interface Tokenizer<Value, Ids> {
  /** Ids are in [0, vocabSize). */
  readonly vocabSize: number;
  encode(value: Value): Ids;
  /** The value that ids stand for: the encoded one where that can be kept, else one near it. */
  decode(ids: Ids): Value;
}
