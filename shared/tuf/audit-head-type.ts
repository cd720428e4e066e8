/** DSSE payload type of a signed head of the audit log. */
export const auditHeadType = 'application/vnd.modelfleet.audit-head+json';
