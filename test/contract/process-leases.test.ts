import { ProcessLeases } from '../../hub/rollout/process-leases.ts';
import { leasesContract } from './leases.ts';

leasesContract('ProcessLeases', () => new ProcessLeases());
