/** Which TensorFlow wheel serves which platform, and what the libraries in it are called. */
import { InputError } from '@selective-dpo/foundation';

export interface WheelPlatform {
  /** Name on the Python package index. */
  package: string;
  /** pip's platform tags, the newest first. */
  tags: readonly string[];
  /** Files inside the wheel's folder `tensorflow`. */
  libraries: { framework: string; cc: string };
  /** Flags with which the compiler links against those libraries. */
  linkFlags: readonly string[];
  /** What stands for the binding's own folder in a run path. */
  origin: string;
  /** Whether this project's tests have run there. */
  tried: boolean;
}

const LINUX = {
  libraries: { framework: 'libtensorflow_framework.so.2', cc: 'libtensorflow_cc.so.2' },
  linkFlags: ['-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2', '-ldl'],
  origin: '$ORIGIN',
};

const PLATFORMS: Record<string, WheelPlatform> = {
  'linux-x64': {
    ...LINUX,
    package: 'tensorflow-cpu',
    tags: ['manylinux_2_27_x86_64', 'manylinux_2_17_x86_64', 'manylinux2014_x86_64'],
    tried: true,
  },
  'linux-arm64': {
    ...LINUX,
    package: 'tensorflow',
    tags: ['manylinux_2_27_aarch64'],
    tried: false,
  },
  'darwin-arm64': {
    package: 'tensorflow',
    tags: ['macosx_12_0_arm64'],
    libraries: { framework: 'libtensorflow_framework.2.dylib', cc: 'libtensorflow_cc.2.dylib' },
    linkFlags: ['-ltensorflow_cc.2', '-ltensorflow_framework.2', '-undefined', 'dynamic_lookup'],
    origin: '@loader_path',
    tried: false,
  },
};

/** @throws InputError `platform-unsupported`. */
export function wheelPlatform(gpu: boolean): WheelPlatform {
  const name = `${process.platform}-${process.arch}`;
  const platform = Object.hasOwn(PLATFORMS, name) ? PLATFORMS[name] : undefined;
  if (platform === undefined || (gpu && name !== 'linux-x64')) {
    throw new InputError('platform-unsupported', 'there is no TensorFlow engine for this platform', {
      found: gpu ? `${name} with --gpu` : name,
      expected: gpu ? 'linux-x64' : Object.keys(PLATFORMS).join(', '),
      hint: gpu ? 'install without --gpu' : 'use --engine wasm',
    });
  }
  return gpu ? { ...platform, package: 'tensorflow', tried: false } : platform;
}
