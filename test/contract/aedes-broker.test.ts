import { brokerContract } from './broker.ts';

brokerContract({ name: 'the embedded broker', make: (world) => world.makeBroker() });
