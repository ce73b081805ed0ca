export type * from './site-contract.js';
export { SITE_VERSION } from './site-contract.js';
export {
  derivedData,
  inspectionFolder,
  rememberedVocabulary,
  type DerivedData,
} from './figures/inspection-folder.js';
export { loadCacheTokenizer, vocabularyOf } from './figures/vocabulary.js';
export { openCacheSite } from './site/open-cache.js';
export { openRunSite, type RunSiteOptions } from './site/open-run.js';
export { sampledRows, storePolicies, type StoredPolicy } from './run/policy-sample.js';
export { openSweepSite } from './site/open-sweep.js';
export { inspectedKind, openSite } from './site/open-site.js';
export type { Site } from './site/site.js';
export { webPage } from './site/web-page.js';
export { startSiteServer, type SiteServer, type SiteServerOptions } from './server/site-server.js';
export { exportSite } from './site/export-site.js';
export { sampleSite } from './site/sample-site.js';
export { refusePagePlace, writeSingleFile } from './site/single-file.js';
export { PairInspector, findPair, type PairToken, type TokensOfPair } from './pair/pair-tokens.js';
