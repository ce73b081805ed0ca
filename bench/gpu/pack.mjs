/**
 * Packs the measurement of a GPU with everything it needs, for a Linux x64 machine that reaches no network:
 *
 *   npm run build && npm install --no-save webgpu@0.6.2
 *   node bench/gpu/pack.mjs [--out selective-dpo-gpu.tar.gz] [--tensorflow-cuda FOLDER]
 *
 * There: tar xzf selective-dpo-gpu.tar.gz && sh selective-dpo-gpu/bench/gpu/run.sh
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PACKAGES = ['foundation', 'data', 'model', 'ref-scorer', 'trainer'];
/** Of the benches; what they import beside them is in the list, too. */
const OWN = ['bench', 'packages/cli/demo', 'LICENSE'];
const NEEDED = /\.(js|cjs|mjs|json|wasm|node)$|^licen[cs]e/i;
/** The Vulkan loader, and what NVIDIA's driver needs and a container may lack. */
const LIBRARIES = ['libvulkan.so.1', 'libX11.so.6', 'libXext.so.6', 'libGLdispatch.so.0'];
/** Of the C library, which is the machine's own. */
const SYSTEM = /^(linux-vdso|ld-linux|libc\.|libm\.|libdl\.|libpthread\.|librt\.)/;

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'selective-dpo-gpu.tar.gz' },
    'tensorflow-cuda': { type: 'string' },
  },
});
const run = (program, ...args) => execFileSync(program, args, { cwd: root, encoding: 'utf8' });
const staging = mkdtempSync(join(tmpdir(), 'sdpo-pack-'));
const target = join(staging, 'selective-dpo-gpu');

/** Copies a file or folder of the checkout to the same place; `wanted` sees paths of files. */
function copy(path, wanted = () => true) {
  cpSync(join(root, path), join(target, path), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => statSync(source).isDirectory() || wanted(source),
  });
}

/** Folders of the packages that a user of this project would have, and Dawn. */
function productionPackages() {
  // npm ls ends with 1 where a package was added with --no-save.
  const command = 'npm ls --omit=dev --all --parseable || true';
  const folders = run('sh', '-c', command).trim().split('\n').slice(1);
  return [...new Set(folders)]
    .map((path) => relative(root, path))
    .filter((path) => path.startsWith('node_modules') || path.includes(`${sep}node_modules${sep}`));
}

function copyPackage(path) {
  copy(path, (source) => {
    const inside = relative(join(root, path), source);
    if (inside.includes(`node_modules${sep}`) || !NEEDED.test(basename(source))) return false;
    if (path.endsWith('/webgpu') && inside.endsWith('.node')) return inside.includes('linux-x64');
    if (!path.includes('@tensorflow') || !inside.includes(sep)) return true;
    // What Node loads of tfjs is one file a package, and its wasm kernels.
    return inside.startsWith('dist') && (path.endsWith('tfjs-node-gpu') || /\.(node\.js|wasm)$/.test(inside));
  });
}

/** Copies shared libraries that are here, and those they need. */
function copyLibraries(programs) {
  const known = run('ldconfig', '-p');
  const found = LIBRARIES.map((name) => new RegExp(`${name} \\(.*x86-64.*=> (.*)`).exec(known)?.[1]).filter(
    Boolean,
  );
  const linked = (file) => [...run('ldd', file).matchAll(/(\S+) => (\/\S+)/g)].map(([, , path]) => path);
  for (const file of new Set([...found, ...[...found, ...programs].flatMap(linked)]))
    if (!SYSTEM.test(basename(file))) cpSync(realpathSync(file), join(target, 'lib', basename(file)));
}

for (const needed of ['node_modules/webgpu', 'packages/trainer/dist']) {
  if (existsSync(join(root, needed))) continue;
  console.error(`${needed} is missing: npm run build && npm install --no-save webgpu@0.6.2`);
  process.exit(2);
}
OWN.forEach((path) => copy(path));
for (const name of PACKAGES) {
  copy(`packages/${name}/package.json`);
  copy(`packages/${name}/dist`, (source) => NEEDED.test(source));
  cpSync(join(root, 'node_modules/@selective-dpo', name), join(target, 'node_modules/@selective-dpo', name), {
    verbatimSymlinks: true,
  });
}
productionPackages()
  .filter((path) => !path.includes('@types'))
  .forEach(copyPackage);
cpSync(process.execPath, join(target, 'node'));
run('sh', '-c', `strip "${join(target, 'node')}" || true`);
copyLibraries([process.execPath, join(root, 'node_modules/webgpu/dist/linux-x64/dawn.node')]);
if (values['tensorflow-cuda']) {
  const engine = resolve(values['tensorflow-cuda']);
  cpSync(engine, join(target, 'engines', basename(engine)), { recursive: true, verbatimSymlinks: true });
}
writeFileSync(join(target, 'packed.txt'), `${run('git', 'describe', '--always', '--dirty')}`);
const archive = resolve(values.out);
run('tar', '-C', staging, '--use-compress-program=gzip -9', '-cf', archive, basename(target));
rmSync(staging, { recursive: true });
console.log(`${archive}: ${(statSync(archive).size / 2 ** 20).toFixed(1)} MiB`);
