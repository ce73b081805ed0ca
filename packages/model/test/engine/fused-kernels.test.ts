import { describeFusedKernels } from './fused-kernels-suite.js';
import { tensorflowSkipped, titled } from './tensorflow-available.js';

describeFusedKernels('tensorflow', titled('tensorflow'), tensorflowSkipped !== undefined);
