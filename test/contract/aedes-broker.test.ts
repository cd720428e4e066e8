import { AedesBroker } from '../../hub/broker/aedes-broker.ts';
import { makeLogger } from '../../platform/logger.ts';
import { brokerContract } from './broker.ts';

brokerContract({
  name: 'the embedded broker',
  make: ({ authority }) =>
    new AedesBroker({
      tls: { key: authority.serverKeyPem, cert: authority.serverCertPem, ca: authority.caPem },
      listen: { host: '127.0.0.1', port: 0 },
      isAdmitted: async () => true,
      logger: makeLogger('test', 'silent'),
    }),
});
