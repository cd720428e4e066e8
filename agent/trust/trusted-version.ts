/** What TUF says of one version, after verification. */
export interface TrustedVersion {
  readonly model: string;
  readonly version: string;
  readonly manifestSha256: string;
  readonly manifestBytes: number;
  /** Set when the publisher withdrew the version. */
  readonly withdrawnReason?: string;
}

export interface TrustedVersions {
  /**
   * Brings the metadata up to date over the link and verifies it, then looks the version up. Throws a coded error:
   * not signed, expired, rolled back, unknown version, no answer.
   */
  lookUp(model: string, version: string): Promise<TrustedVersion>;
  /** Director public keys (PEM by keyid) from the verified director target; from the stored copy when offline. */
  directorKeys(): Promise<ReadonlyMap<string, string>>;
  /** Those of the stored copy, whatever the hub says now; none when nothing was verified yet. */
  storedDirectorKeys(): Promise<ReadonlyMap<string, string>>;
}
