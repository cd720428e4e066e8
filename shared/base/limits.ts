/**
 * Every bound of the system, named, in one place (promise P9). Past a bound comes a clear error, never growth.
 * Units are in the names. Options may lower a bound, never raise it.
 */
export const limits = {
  /** Device ids, model names and group names: characters. */
  nameCharsMax: 64,
  /** Brackets open at once in JSON from outside. */
  jsonDepthMax: 64,

  // Wire (MQTT payloads)
  controlMessageBytesMax: 64 * 1024,
  telemetryReportBytesMax: 256 * 1024,
  trustMetadataBytesMax: 2 * 1024 * 1024,
  topicCharsMax: 256,
  dsseSignaturesMax: 8,
  qualificationFactsMax: 64,

  // A version
  manifestBytesMax: 1024 * 1024,
  artifactBytesMax: 2 * 1024 * 1024 * 1024,
  chunkBytes: 256 * 1024,
  chunksPerArtifactMax: 8_192,
  filesPerVersionMax: 32,
  goldenSamplesMax: 64,
  goldenFileBytesMax: 64 * 1024 * 1024,
  /** What golden samples may take that nobody asked for by number: every device fetches them. */
  goldenBytesUnasked: 4 * 1024 * 1024,
  tensorsPerModelMax: 64,
  tensorRankMax: 8,
  classesMax: 100_000,
  /** Labelled rows of a sample of which none may disagree by chance alone. */
  labelRowsMin: 20,
  featuresMax: 256,
  featureNameCharsMax: 128,
  binsMax: 32,
  categoriesMax: 256,
  categoryCharsMax: 128,
  /** Categories of all features of a profile together, and their bytes: the manifest and every report hold them. */
  profileCategoriesMax: 8_192,
  profileCategoryBytesMax: 512 * 1024,
  /** Elements of a row (or of one channel) that its mean and deviation are taken over, spread evenly. */
  summaryElementsMax: 65_536,
  /** Rows of one feature counted of one request; of more, every n-th is. */
  rowsCountedPerRequestMax: 65_536,
  modelYamlBytesMax: 256 * 1024,
  packSourcesMax: 512,
  sampleRowsMax: 1_000_000,
  sampleFileBytesMax: 512 * 1024 * 1024,

  // Trust
  /**
   * How far the sequence of desired states may step at once. A restored hub steps to the time in seconds; a hub that lies
   * needs two million statements to use the numbers up.
   */
  sequenceStepMax: 2 ** 32,
  /** One TUF file; verification time grows with the square of the entries, so both are bounded. */
  tufFileBytesMax: 512 * 1024,
  tufTargetsMax: 1_500,
  trustRootsMax: 256,
  trustKeysPerRoleMax: 16,
  withdrawReasonCharsMax: 500,
  digestsPerQueryMax: 4_096,

  // Transfer
  chunksInFlightPerDevice: 4,
  chunkBytesQueuedPerDeviceMax: 4 * 256 * 1024,
  /** Chunks that the hub holds until sockets have taken them: of devices that take them quickly, of slow ones, and of stalled ones. */
  sendingBytesFastMax: 64 * 1024 * 1024,
  sendingBytesSlowMax: 256 * 1024 * 1024,
  sendingBytesStalledMax: 16 * 1024 * 1024,
  /** While others wait, a device whose socket takes no byte for this long loses its place; of one that has stalled, twice as long each time. */
  sendingStallMs: 30_000,
  /** Chunks that a device must take one by one, among the stalled, after it has stalled; twice as many after each further time. */
  sendingStalledChunks: 16,
  /** So long after a device last stalled it counts as never having done so. */
  sendingStallsForgottenMs: 3_600_000,
  /** A device has under way what its socket takes in this time; one that takes longer for a chunk is slow. */
  sendingAheadMs: 500,
  /** A device that has waited for its turn this long is told, and no time-out of its counts before it is served. */
  sendingWaitMs: 1_000,
  /** A chunk that stands in line at the hub is asked for again after this long. */
  chunkQueuedMs: 60_000,
  hotBlobBytesMax: 64 * 1024 * 1024,
  /** Silence of the line after which a chunk counts as lost: at least, and at most however slow the line was measured. */
  chunkAnswerMs: 15_000,
  chunkSilenceMsMax: 300_000,
  /** As many chunks are asked for as the line brings in this time. */
  chunkCreditMs: 10_000,
  badChunksMax: 8,

  // Telemetry windows
  telemetryCountMax: 2 ** 40,
  telemetryErrorCodesMax: 64,
  momentRowsMin: 16,
  /** Classes that are told apart in confusion counts; a version with more has none. */
  confusionClassesMax: 16,
  /** Bins of confidence, of equal width from 0 to 1. */
  calibrationBins: 10,
  windowsOpenMax: 32,
  /** What one device can have answered in a second, and rows of one feature it can have counted; a window claims no more. */
  requestsPerSecondMax: 100_000,
  rowsPerSecondMax: 10_000_000,
  /** A window that lasted less may hold as much as this one. */
  telemetrySpanMsMin: 1_000,
  telemetryWindowMsMax: 86_400_000,
  /** How much more time windows may cover than has passed: clocks run at different speeds. */
  telemetrySpanSlackMs: 60_000,

  // Device
  modelsPerDeviceMax: 16,
  /** Models that a statement takes off a device; the latest, until the device says that it has them no more. */
  unassignedModelsMax: 64,
  slotsPreviousDefault: 2,
  slotsPreviousMax: 15,
  /** An update that was started again more often than this in one state is given up. */
  restartsPerStateMax: 5,
  /** A restart after this long in a state says nothing about the state. */
  restartCountedMs: 10 * 60_000,
  /** Failures that may pass by themselves, before the version is given up and quarantined for `quarantineMs`. */
  updateFailuresMax: 3,
  /** Between two tries of a version that was too slow: what else kept the machine busy is over by then, or it is no excuse. */
  busyMachineMs: 10 * 60_000,
  quarantineMs: 86_400_000,
  freeSpaceMarginBytes: 16 * 1024 * 1024,
  /** Set aside for what a rollback writes: a desired state, journals, the index of slots, trust metadata while it is verified. */
  diskReserveBytes: 2 * 1024 * 1024,
  chunkKeptMs: 86_400_000,
  spoolBytesMaxDefault: 16 * 1024 * 1024,
  outboxMessagesMax: 10_000,
  inferBodyBytesMax: 64 * 1024 * 1024,
  /** An inference request less the `data` of its inputs. */
  inferOutlineBytesMax: 256 * 1024,
  /** As many as there are connections: who waits costs little, and is turned away when it would wait too long. */
  inferQueueMax: 1_024,
  /** Requests of one model that are read and worked on; the others stand in line as heads. */
  inferWorkedOnMax: 64,
  inferParametersMax: 64,
  /** Values written as JSON text in one piece. */
  jsonElementsAtOnceMax: 16 * 1024,
  classifiedElementsMax: 100_000,
  localConnectionsMax: 1_024,
  /** Connections told why they are refused; those beyond are dropped, which costs a tenth. */
  localRefusalsAtOnce: 16,
  localRequestsMax: 2_048,
  /** How long the refusal of a request that cannot be admitted is held back. */
  refusalHeldMs: 200,
  /** Bodies and answers held for all requests together, each counted from `localBytesFree` on. */
  localBytesMax: 128 * 1024 * 1024,
  localBytesFree: 64 * 1024,
  /** Body of a request that is not an inference. */
  localBodyBytesMax: 1024 * 1024,
  localHeadMsMax: 10_000,
  localRequestMsMax: 600_000,
  /** How long a connection may be kept without a request. */
  localIdleMsMax: 72_000,
  /** A body may come as slowly as `localBytesPerSecondMin`, with this long to begin. */
  localBodyGraceMs: 5_000,
  localBytesPerSecondMin: 256 * 1024,
  /** How long a client may take nothing of its answer. */
  localReadMsMax: 30_000,
  /** Versions that the local API keeps figures of, more than a device serves at once. */
  statisticsVersionsMax: 256,
  /** Batch sizes told apart in them; others count in the totals alone. */
  statisticsBatchSizesMax: 64,
  inferDeadlineMsDefault: 10_000,
  inferDeadlineMsMax: 600_000,
  predictionsMaxBytesDefault: 16 * 1024 * 1024,
  /** An index of some eight bytes an answer is in memory. */
  predictionsMaxBytesMax: 256 * 1024 * 1024,
  predictionsKeptMsDefault: 14 * 86_400_000,
  rowsPerPredictionMax: 256,
  runnerLoadMsMax: 60_000,
  /** All outputs of one answer, in their binary form; a runner sends no more to its parent. */
  inferAnswerBytesMax: 64 * 1024 * 1024,
  /** Least that a runner may be allowed to take; ONNX Runtime alone needs some 100 MB. */
  runnerMemoryBytesMin: 192 * 1024 * 1024,
  /** Writable address space that V8 sets aside for code and hardly touches; not counted as memory of a runner. */
  runnerReservedBytes: 512 * 1024 * 1024,
  /** The same for the stack of each thread. */
  threadStackBytes: 8 * 1024 * 1024,
  /** Memory left free beside a version's runner; a version that needs it does not start. */
  freeMemoryMarginBytes: 32 * 1024 * 1024,

  // Identity and connection
  csrCharsMax: 16 * 1024,
  rsaBitsMin: 2_048,
  rsaBitsMax: 8_192,
  rootFileBytesMax: 512 * 1024,
  /** One key, with or without its certificate, in PEM. */
  keyFileBytesMax: 64 * 1024,
  /** Each connection is an open file: a hub that may have fewer says so at its start. */
  openFilesWanted: 8_192,
  /** How often the head of the audit log is signed and kept outside the database, when it has moved. */
  auditHeadKeptEveryMs: 60_000,
  /** A server's certificate with its chain, or its key, in PEM. */
  certificateChainBytesMax: 256 * 1024,
  /** Head of the hub's HTTP answer that is read for its Date header. */
  answerHeadBytesMax: 16 * 1024,
  /** Log lines that wait because nobody takes them. */
  logBytesWaitingMax: 1024 * 1024,
  joinTokenTtlMsMax: 90 * 86_400_000,
  joinTokensMax: 10_000,
  /** How long one that has ended is listed. */
  joinTokenKeptMs: 30 * 86_400_000,
  joinTokensRemovedPerPassMax: 500,
  /** Everything unread on one device's connection; past it the connection is closed. */
  mqttBytesQueuedPerDeviceMax: 8 * 1024 * 1024,
  /** A device whose socket is full and takes no byte for this long is closed: as long as an agent waits for a byte of a chunk. */
  mqttDrainMs: 300_000,
  mqttKeepaliveSecondsMax: 300,
  /** A packet that is no PUBLISH: CONNECT and SUBSCRIBE are the longest. */
  mqttControlPacketBytesMax: 16 * 1024,
  /** Topic filters asked for or given up on one connection, granted or not; an agent has four. A new connection starts anew. */
  mqttFiltersPerConnectionMax: 64,
  /** An identity counts as shared this long after two agents were last seen with it, and at most so many are told apart. */
  identitySharedMs: 3_600_000,
  agentsPerIdentityMax: 4,
  /** Messages on topics an agent does not know, on one connection. */
  strangeMessagesMax: 1_000,
  connectionsMax: 20_000,
  /**
   * Connections that are not admitted yet, in all; an address may have as many as the option `mqtt-half-open-per-address` says.
   * Those beyond are closed. A device that is closed comes back after a short and random wait.
   */
  halfOpenMax: 10_000,
  /** Of them, those whose handshake and CONNECT are under way; the others wait their turn, addresses by turns, at most so long. */
  handshakesAtOnceMax: 512,
  handshakesAtOncePerAddressMax: 128,
  handshakesAtOncePerNetworkMax: 256,
  handshakeTurnMsMax: 10_000,
  /** What a device may have sent that is not answered yet; no more of it is read then. */
  unansweredMessagesPerDeviceMax: 256,
  unansweredBytesPerDeviceMax: 64 * 1024,
  /** Among many that have some, each may have its share of this, and in any case a few. */
  unansweredMessagesShared: 2_560,
  unansweredMessagesPerDeviceMin: 4,
  /** Of all devices, with what a message takes beside its bytes: nothing more is read then. */
  unansweredBytesMax: 64 * 1024 * 1024,
  /** Of all connections, what is held of packets whose end has not come; the one begun first is closed then. */
  unfinishedBytesMax: 128 * 1024 * 1024,
  /** What a device may send, for long and at once; what is beyond is read later. */
  deviceMessagesPerSecondMax: 500,
  deviceMessagesAtOnceMax: 2_000,
  deviceBytesPerSecondMax: 1024 * 1024,
  deviceBytesAtOnceMax: 8 * 1024 * 1024,
  /** A device whose messages are not answered for so long is told, and again each time as long. */
  answerLateMs: 5_000,
  eventsKeptPerDeviceMax: 1_000,
  /** The oldest of them, when there would be more: looking for them costs as much as there are. */
  eventsDroppedAtOnce: 100,

  // Security events
  /** Kinds of refusals by whom they concern that are told apart: of who proved an identity, and of strangers. */
  securityGroupsMax: 1_000,
  /** Rows of the audit log that either of the two may bring at once, and an hour; what is beyond is counted together. */
  securityRowsAtOnceMax: 200,
  securityRowsPerHourMax: 100,

  // Hub
  /** How long statements wait for a database that another process has locked, counted from when the lock was first met. */
  databaseLockedMsMax: 5_000,
  /** What the write-ahead log of the database may keep on the disk when nobody holds it any more. */
  databaseLogBytesKeptMax: 16 * 1024 * 1024,
  statementsPreparedMax: 500,
  /** A database file that cannot shrink is made one that can at a start, if it is no larger; that takes a second or two. */
  databaseCompactedAtStartBytesMax: 256 * 1024 * 1024,
  /** Pages of the file given back in one pass, and what may stay unused: what is stored next takes it. */
  databasePagesFreedPerPassMax: 100,
  databasePagesUnusedMin: 4_096,
  databasePagesUnusedShare: 0.1,
  /** The listing of a backup: some million files. */
  backupListingBytesMax: 512 * 1024 * 1024,
  httpHeadMsMax: 10_000,
  /** Connections to the REST API, in all and of one address (of IPv6: one network of 64 bits); those beyond are closed,
   * and when there are too many in all, the oldest of the address with the most. */
  httpConnectionsMax: 4_096,
  httpConnectionsPerAddressMax: 1_024,
  /** How long requests under way may take when the hub stops. */
  httpCloseMsMax: 5_000,
  /** After which a request that a stopping hub refused may be sent again. */
  httpRestartRetryMs: 5_000,
  /** Body of a request, unless its route says that it takes more. */
  httpBodyBytesMax: 16 * 1024,
  enrolBodyBytesMax: 32 * 1024,
  /** Fields of a request's body, at all depths. */
  requestNamesMax: 1_000,
  /** Of a request's path and its User-Agent in a line of the access log. */
  accessLogPathCharsMax: 512,
  accessLogAgentCharsMax: 200,
  /** A line of an exported audit log. */
  auditExportLineBytesMax: 1024 * 1024,
  failedLoginsPerMinuteMax: 60,
  publicRequestsPerMinuteMax: 600,
  /** Answers that are being compressed; the next ones go out as they are. Shorter ones are never compressed. */
  answersCompressedAtOnceMax: 8,
  compressedAnswerBytesMin: 1_024,
  acceptedEncodingsMax: 16,
  /** POSTs with an idempotency key: how long, how many of one token and in all, and how large an answer is stored. */
  idempotentRequestKeptMs: 86_400_000,
  idempotentRequestsPerTokenMax: 5_000,
  idempotentRequestsMax: 50_000,
  idempotentAnswerBytesMax: 64 * 1024,
  idempotentRequestsRemovedPerPassMax: 500,
  idempotencyBusyRetryMs: 1_000,
  apiTokensMax: 10_000,
  /** Files that a start names as missing; the rest is counted. */
  lacksNamedMax: 20,
  /** How often a write is tried while storage fails. */
  storageTriedMs: 5_000,
  /** While it does not, one is tried when somebody asks whether the hub is ready and the last is older. */
  storageSoundMs: 30_000,
  /** How long `/readyz` waits for that write. */
  readyWaitMs: 1_000,
  integrityCheckEveryMs: 86_400_000,
  /** How often what is kept too long is looked for, and how long none of it leaves after the clock was set. */
  retentionEveryMs: 60_000,
  retentionClockHeldMs: 3_600_000,
  /** How long one request lets things leave; it is asked again for the rest. */
  retentionRequestMs: 10_000,
  /** Longest rest after a pass; one rests as long as it worked. */
  retentionRestMsMax: 250,
  /** How often the folder of blobs is compared with the database, and files left by broken writes that leave at once. */
  blobScanEveryMs: 86_400_000,
  unfinishedBlobsPerPassMax: 1_000,
  /** Things of one kind that a preview looks at. */
  retentionFoundMax: 100_000,
  pageRowsMax: 1_000,
  /** Rows of one list that the command line reads, page by page. */
  listRowsMax: 1_000_000,
  joinTokenUsesMax: 100_000,
  versionsPerModelMax: 1_000,
  /** Breaking changes of an interface named in one message. */
  interfaceChangesNamedMax: 10,
  phasesPerRolloutMax: 32,
  /** A start may be planned so far ahead. Before now it may lie by what a request may take and clocks may differ. */
  rolloutStartAheadMsMax: 366 * 86_400_000,
  rolloutStartPastMsMax: 600_000,
  devicesPerRolloutMax: 100_000,
  rolloutChangesPerStepMax: 200,
  /** What the hub could not tell a device in a rollout is tried again after so long. */
  rolloutTryAgainMs: 60_000,
  rolloutVerdictsShownMax: 50,
  /** The latest verdicts of a rollout that are stored. */
  rolloutVerdictsKeptMax: 1_000,
  rolloutDevicesNamedMax: 200,
  /** Devices named in one sentence; the rest is counted. */
  devicesNamedMax: 5,
  /** What devices sent that is stored in one transaction, and how long one waits to be full. */
  inboxBatchEntriesMax: 500,
  inboxBatchBytesMax: 1024 * 1024,
  inboxBatchWaitMs: 5,
  /** Longest wait between two tries while nothing can be stored. */
  inboxHoldMsMax: 5_000,
  telemetryStreamsPerDeviceMax: 64,
  telemetryBucketBytesMax: 4 * 1024 * 1024,
  telemetryDetailKeptMs: 86_400_000,
  /** Evidence of rollouts under way that the hub keeps at hand, as it is stored; several times of it in memory. */
  evidenceCachedBytesMax: 32 * 1024 * 1024,
  /** Stored bytes of telemetry rollups that are kept decoded; in memory they take some four times as much. */
  rollupsDecodedBytesMax: 4 * 1024 * 1024,
  /** Devices of rollouts under way whose counts gates keep at hand. */
  gateDevicesKeptMax: 100_000,
  /** Longest time that figures are broken down over at once, but for hours and minutes, which come in pages. */
  figureSpanMsMax: 31 * 86_400_000,
  /** Of devices each hour is read. */
  deviceFigureSpanMsMax: 86_400_000,
  /** Device hours with the most failures that are read of each hour to find the devices that fail most. */
  failingHoursReadMax: 500,
  telemetryRowsRemovedPerPassMax: 500,
  auditRowsRemovedPerPassMax: 500,
  eventsRemovedPerPassMax: 500,
  removedDevicesPerPassMax: 100,
  telemetryVersionsKnownMax: 1_000,
  /** Pairs of device and version that are known to belong together without a query. */
  telemetryOffersKnownMax: 100_000,
  /** What the long window of a burn rate must hold: events, and those that missed the objective. */
  burnEventsMin: 30,
  burnBadEventsMin: 5,
  alertsEvaluatedEveryMs: 60_000,
  /** Silences that have not ended. */
  alertSilencesMax: 1_000,
  /** Models and groups with objectives that were set. */
  objectivesSetMax: 1_000,
  alertRowsRemovedPerPassMax: 500,
  alertReceiversMax: 16,
  /** How long a receiver may take to answer, and how much of the answer is read. */
  alertAnswerMsMax: 10_000,
  alertAnswerBytesMax: 64 * 1024,
  /** Waits between the tries of a notification, and after how long it is given up. */
  alertRetryMsMin: 1_000,
  alertRetryMsMax: 300_000,
  alertDeliveryMsMax: 86_400_000,
  /** A receiver has failed when a notification has waited so long. */
  alertDeliveryLateMs: 900_000,
  driftRowsMin: 50,
  /** Devices that must bring evidence before a gate of a phase of several looks at it: one says nothing of the others. */
  evidenceDevicesMin: 2,
  driftDevicesNamedMax: 200,
} as const;
