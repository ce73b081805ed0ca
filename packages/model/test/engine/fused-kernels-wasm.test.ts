import { describeFusedKernels } from './fused-kernels-suite.js';

describeFusedKernels('wasm');
