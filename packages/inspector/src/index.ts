export type * from './site-contract.js';
export { SITE_VERSION } from './site-contract.js';
