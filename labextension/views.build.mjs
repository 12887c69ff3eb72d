// Bundles each view that a widget shows into one file next to its Python class.
import { build } from 'esbuild';

await build({
  entryPoints: { graph: 'src/views/graph/widget.ts' },
  outdir: '../kernel_ext/cellray_kernel/widgets/static',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  // Names stay readable: this file is what somebody reads who debugs a notebook.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none'
});
