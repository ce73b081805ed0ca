import { describeFusedKernels } from './fused-kernels-suite.js';
import { tensorflowSkipped, titled } from './tensorflow-available.js';

// Read once, when the first kernel runs: every test file has a process of its own.
process.env['SELECTIVE_DPO_INSTRUCTIONS'] = 'baseline';
describeFusedKernels(
  'tensorflow',
  titled('tensorflow with baseline instructions'),
  tensorflowSkipped !== undefined,
);
