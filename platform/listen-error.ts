/** Names a port that cannot be had by its code and by the option that changes it. */
import { AppError, errorText } from '../shared/base/app-error.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** The flag that sets the port, for the message. */
  readonly option: string;
}

/** What `server.listen` failed with, as `port_in_use` or `bad_input` where it is that; any other error as it is. */
export function asListenError(error: unknown, { host, port, option }: ListenAddress): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'EADDRINUSE') {
    return new AppError(
      'port_in_use',
      `Cannot listen on ${host}:${port}: another process already uses the port. Stop it, or choose another port with ${option}.`,
      { cause: error },
    );
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new AppError(
      'bad_input',
      `Cannot listen on ${host}:${port}: ${errorText(error)}. Expected an address of this machine and a port this user may open (${option}).`,
      { cause: error },
    );
  }
  return error;
}
