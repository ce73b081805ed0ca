/**
 * Google's WebGPU implementation Dawn in Node, from the npm package `webgpu`. It brings its libraries for every platform
 * (130 MB), so it is an optional peer dependency, and nothing of it is loaded before a WebGPU engine is asked for.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InputError } from '@selective-dpo/foundation';
import type { GpuAdapter } from './gpu-types.js';

const require = createRequire(import.meta.url);

interface DawnModule {
  create(options: string[]): DawnInstance;
  globals: Record<string, unknown>;
}

/** What `navigator.gpu` is in a browser. */
export interface DawnInstance {
  requestAdapter(options: { powerPreference: 'high-performance' }): Promise<GpuAdapter | null>;
}

export interface Dawn {
  gpu: DawnInstance;
  /** Of the npm package. */
  version: string;
}

/** Kept for good: Dawn ends when its instance is collected. */
let dawn: Promise<Dawn> | undefined;

/** Path of the package's module; undefined where the package is not installed. */
export function dawnEntry(): string | undefined {
  try {
    return require.resolve('webgpu');
  } catch {
    return undefined;
  }
}

/**
 * Loads Dawn and puts WebGPU's classes and constants (`GPUBuffer`, `GPUBufferUsage`, …) where tfjs looks for them, in the
 * global scope.
 * @throws InputError `engine-not-available` where the package is missing, or has no library for this platform.
 */
export async function loadDawn(): Promise<Dawn> {
  dawn ??= load();
  return dawn;
}

async function load(): Promise<Dawn> {
  const entry = dawnEntry();
  if (entry === undefined) throw dawnMissing();
  try {
    const { create, globals } = (await import(pathToFileURL(entry).href)) as DawnModule;
    Object.assign(globalThis, globals);
    return { gpu: create([]), version: versionOf(entry) };
  } catch (error) {
    throw new InputError('engine-not-available', 'the npm package webgpu is installed but does not load', {
      found: (error as Error).message.split('\n')[0]!,
      expected: `Dawn's library for ${process.platform}-${process.arch}`,
      hint: 'use another engine, e.g. wasm, which needs nothing but this package',
    });
  }
}

function versionOf(entry: string): string {
  const file = join(dirname(entry), 'package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return version;
}

/** What to do where {@link dawnEntry} is undefined. */
export function dawnMissing(): InputError {
  return new InputError('engine-not-available', 'the npm package webgpu (Dawn) is not installed', {
    hint: `install it with: npm install --no-save webgpu@${testedVersion()}`,
  });
}

/** The version that this package names as its optional peer. */
function testedVersion(): string {
  const own = new URL('../../../package.json', import.meta.url);
  if (!existsSync(own)) return 'latest';
  const { peerDependencies } = JSON.parse(readFileSync(own, 'utf8')) as {
    peerDependencies: { webgpu: string };
  };
  return peerDependencies.webgpu;
}
