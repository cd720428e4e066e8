/** `POST /api/v1/enrol`: the one door that opens with a join token's secret instead of an API token. */
import { limits } from '../../shared/base/limits.ts';
import { EnrolmentRequest, EnrolmentResponse } from '../../shared/protocol/enrolment.ts';
import { created } from '../http/created.ts';
import type { Routes } from '../http/routes.ts';
import type { EnrolmentService } from './enrolment-service.ts';

export function enrolmentRoutes(enrolments: EnrolmentService): Routes {
  return (api) => {
    api.post(
      '/enrol',
      {
        config: {
          role: 'public',
          secret: true,
          errors: [
            'join_token_unknown',
            'join_token_revoked',
            'join_token_used_up',
            'join_token_expired',
            'device_exists',
            'bad_csr',
            'trust_not_initialised',
          ],
        },
        bodyLimit: limits.enrolBodyBytesMax,
        schema: {
          tags: ['devices'],
          operationId: 'enrolDevice',
          summary: 'Enrol a device with the secret of a join token',
          body: EnrolmentRequest,
          response: { 201: EnrolmentResponse },
        },
      },
      async (request, reply) => {
        const enrolled = await enrolments.enrol(request.body, request.ip);
        created(reply, 'devices', enrolled.device);
        return enrolled;
      },
    );
  };
}
