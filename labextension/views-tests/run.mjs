// Bundles the tests of the views and runs them with Node's own runner: no test framework to install.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;
const out = mkdtempSync(join(tmpdir(), 'cellray-views-'));
try {
  await build({
    entryPoints: readdirSync(here).filter(name => name.endsWith('.test.ts')).map(name => join(here, name)),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning'
  });
  const tests = readdirSync(out).map(name => join(out, name));
  process.exitCode = spawnSync(process.execPath, ['--test', ...tests], { stdio: 'inherit' }).status ?? 1;
} finally {
  rmSync(out, { recursive: true });
}
