#!/usr/bin/env node
import { launch } from './launch.js';

// A device has little memory. The young generation stays at its first size, and of V8's optimizing compilers only the
// one for hot code runs, sooner than it would. Some 17 MB less than with V8's own settings; a request takes as long once the
// first thousands have been answered, and up to half as long again before.
await launch('agent/main', [
  '--semi-space-growth-factor=1',
  '--no-maglev',
  '--invocation-count-for-turbofan=1500',
]);
