export { matmul, matmulScratchBytes } from './matmul';
export { rmsNorm, rmsNormGradient } from './rms-norm';
export { swiglu, swigluGradient } from './swiglu';
export { tokenLogps, tokenLogpsGradient } from './token-logps';
export { adamW } from './adamw';
export { attention, attentionGradient, attentionScratchBytes } from './attention';
export { squaredSum } from './lanes';
