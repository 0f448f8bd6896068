/**
 * @file The tape of one forward pass. What a backward pass needs and a cheap operation made (`cheap` in defineKernel) is
 * not kept: the tape lets go of it, and makes it again, bit for bit, from what the cheap operation itself has saved
 * (gradient checkpointing, Chen et al. 2016, arXiv:1604.06174, without a second run of anything expensive). Memory is
 * freed where the forward pass does not hold on to such tensors either, so it should run each layer in a tidy.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { TapeNode } from '../device/tfjs.ts';
import { definedKernels, type Recipe, recipeOf } from './registry.ts';

/** A place among a node's saved tensors that `restore` fills. */
interface Gap {
  readonly place: number;
  readonly maker: TapeNode;
  readonly recipe: Recipe;
  readonly shape: number[];
}

export class Tape {
  readonly nodes: TapeNode[] = [];
  /** Cheap operations by the data that they made. */
  private readonly makers = new Map<object, TapeNode>();
  private readonly gaps = new Map<TapeNode, readonly Gap[]>();
  /** How many nodes still read what a node has saved: itself, and those that need its outputs again. */
  private readonly readers = new Map<TapeNode, number>();

  /** What tfjs calls with every operation. */
  push(node: TapeNode): number {
    this.readers.set(node, 1);
    // What a cheap operation saves is kept, even if cheap itself: making one thing again never needs another made again.
    if (definedKernels().get(node.kernelName)?.cheap === true) {
      for (const output of node.outputs) this.makers.set(output.dataId, node);
    } else {
      this.letGo(node);
    }
    return this.nodes.push(node);
  }

  private letGo(node: TapeNode): void {
    const gaps = (node.saved ?? []).flatMap((tensor, place): Gap[] => {
      const maker = this.makers.get(tensor.dataId); // clones and reshaped tensors have the data of the original
      const recipe = recipeOf(tensor.dataId);
      return maker === undefined || recipe === undefined ? [] : [{ place, maker, recipe, shape: tensor.shape }];
    });
    if (gaps.length === 0) return;
    this.gaps.set(node, gaps);
    for (const maker of makersOf(gaps)) this.readers.set(maker, (this.readers.get(maker) as number) + 1);
    for (const { place } of gaps) node.saved?.[place].dispose();
  }

  /** Makes again what the node's gradient needs. Call it in a tidy, which frees that afterwards. */
  restore(node: TapeNode): void {
    const gaps = this.gaps.get(node) ?? [];
    for (const maker of makersOf(gaps)) {
      const ofMaker = gaps.filter(gap => gap.maker === maker);
      const outputs = ofMaker[0].recipe.remake(maker.saved as Tensor[]); // cheap operations save their inputs
      for (const { place, recipe, shape } of ofMaker) {
        (node.saved as Tensor[])[place] = tf.reshape(outputs[recipe.output], shape);
      }
    }
  }

  /** The node has been passed, or will not be: frees what it has saved as soon as nobody else reads that. */
  release(node: TapeNode): void {
    for (const reader of [node, ...makersOf(this.gaps.get(node) ?? [])]) {
      const left = (this.readers.get(reader) as number) - 1;
      this.readers.set(reader, left);
      if (left === 0) tf.dispose(reader.saved ?? []);
    }
  }
}

function makersOf(gaps: readonly Gap[]): Set<TapeNode> {
  return new Set(gaps.map(({ maker }) => maker));
}
