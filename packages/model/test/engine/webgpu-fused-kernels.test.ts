import { describeFusedKernels } from './fused-kernels-suite.js';
import { webgpuSkipped } from './webgpu-available.js';

describeFusedKernels('webgpu', 'webgpu (needs webgpu)', webgpuSkipped);
