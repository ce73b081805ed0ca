export type * from './site-contract.js';
export { SITE_VERSION } from './site-contract.js';
export { derivedData, inspectionFolder, type DerivedData } from './figures/inspection-folder.js';
export { openCacheSite, type Site } from './site/open-cache.js';
export { webPage } from './site/web-page.js';
export { startSiteServer, type SiteServer, type SiteServerOptions } from './server/site-server.js';
