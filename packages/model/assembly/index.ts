export { matmul, matmulScratchBytes } from './matmul';
