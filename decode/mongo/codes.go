package mongo

import "slices"

// codeName is the server's name for an error code, for answers that tell only
// the code, as errors of single writes do; "" for one that is not in the list.
func codeName(code int32) string {
	i, ok := slices.BinarySearchFunc(codeNames[:], code, func(c namedCode, code int32) int { return int(c.code) - int(code) })
	if !ok {
		return ""
	}
	return codeNames[i].name
}

type namedCode struct {
	code int32
	name string
}

// codeNames are the errors that applications meet, by code; names and codes are
// the server's (src/mongo/base/error_codes.yml).
var codeNames = [...]namedCode{
	{1, "InternalError"}, {2, "BadValue"}, {4, "NoSuchKey"}, {6, "HostUnreachable"}, {7, "HostNotFound"}, {8, "UnknownError"},
	{9, "FailedToParse"}, {11, "UserNotFound"}, {13, "Unauthorized"}, {14, "TypeMismatch"}, {15, "Overflow"}, {16, "InvalidLength"},
	{17, "ProtocolError"}, {18, "AuthenticationFailed"}, {20, "IllegalOperation"}, {22, "InvalidBSON"}, {24, "LockTimeout"},
	{26, "NamespaceNotFound"}, {27, "IndexNotFound"}, {28, "PathNotViable"}, {40, "ConflictingUpdateOperators"},
	{43, "CursorNotFound"}, {46, "LockBusy"}, {47, "NoMatchingDocument"}, {48, "NamespaceExists"}, {50, "MaxTimeMSExpired"},
	{52, "DollarPrefixedFieldName"}, {53, "InvalidIdField"}, {54, "NotSingleValueField"}, {56, "EmptyFieldName"},
	{57, "DottedFieldName"}, {59, "CommandNotFound"}, {61, "ShardKeyNotFound"}, {64, "WriteConcernTimeout"}, {66, "ImmutableField"},
	{67, "CannotCreateIndex"}, {68, "IndexAlreadyExists"}, {70, "ShardNotFound"}, {72, "InvalidOptions"}, {73, "InvalidNamespace"},
	{76, "NoReplicationEnabled"}, {79, "UnknownReplWriteConcern"}, {85, "IndexOptionsConflict"}, {86, "IndexKeySpecsConflict"},
	{89, "NetworkTimeout"}, {90, "CallbackCanceled"}, {91, "ShutdownInProgress"}, {95, "NotSecondary"}, {96, "OperationFailed"},
	{100, "UnsatisfiableWriteConcern"}, {112, "WriteConflict"}, {115, "CommandNotSupported"},
	{117, "ConflictingOperationInProgress"}, {118, "NamespaceNotSharded"}, {121, "DocumentValidationFailure"},
	{123, "NotAReplicaSet"}, {133, "FailedToSatisfyReadPreference"}, {134, "ReadConcernMajorityNotAvailableYet"},
	{136, "CappedPositionLost"}, {143, "CursorInUse"}, {146, "ExceededMemoryLimit"}, {150, "StaleEpoch"},
	{166, "CommandNotSupportedOnView"}, {167, "OptionNotSupportedOnView"}, {168, "InvalidPipelineOperator"},
	{171, "CannotIndexParallelArrays"}, {175, "QueryPlanKilled"}, {189, "PrimarySteppedDown"}, {206, "NoSuchSession"},
	{211, "KeyNotFound"}, {222, "CloseChangeStream"}, {223, "IllegalOpMsgFlag"}, {225, "TransactionTooOld"},
	{234, "RetryChangeStream"}, {237, "CursorKilled"}, {238, "NotImplemented"}, {239, "SnapshotTooOld"}, {241, "ConversionFailure"},
	{246, "SnapshotUnavailable"}, {249, "StaleDbVersion"}, {250, "StaleChunkHistory"}, {251, "NoSuchTransaction"},
	{256, "TransactionCommitted"}, {257, "TransactionTooLarge"}, {260, "InvalidResumeToken"}, {261, "TooManyLogicalSessions"},
	{262, "ExceededTimeLimit"}, {263, "OperationNotSupportedInTransaction"}, {267, "PreparedTransactionInProgress"},
	{272, "MigrationConflict"}, {276, "IndexBuildAborted"}, {279, "ClientDisconnect"}, {280, "ChangeStreamFatalError"},
	{286, "ChangeStreamHistoryLost"}, {288, "ChecksumMismatch"}, {290, "TransactionExceededLifetimeLimitSeconds"},
	{291, "NoQueryExecutionPlans"}, {292, "QueryExceededMemoryLimitNoDiskUseAllowed"}, {314, "ObjectIsBusy"},
	{322, "APIVersionError"}, {323, "APIStrictError"}, {324, "APIDeprecationError"}, {334, "MechanismUnavailable"},
	{346, "ChangeStreamInvalidated"}, {352, "UnsupportedOpQueryCommand"}, {355, "InterruptedDueToStorageChange"},
	{365, "TemporarilyUnavailable"}, {391, "ReauthenticationRequired"}, {433, "AdmissionQueueOverflow"}, {449, "RateLimitExceeded"},
	{9001, "SocketException"}, {10107, "NotWritablePrimary"}, {10334, "BSONObjectTooLarge"}, {11000, "DuplicateKey"},
	{11600, "InterruptedAtShutdown"}, {11601, "Interrupted"}, {11602, "InterruptedDueToReplStateChange"}, {13388, "StaleConfig"},
	{13435, "NotPrimaryNoSecondaryOk"}, {13436, "NotPrimaryOrSecondary"}, {14031, "OutOfDiskSpace"}, {46841, "ClientMarkedKilled"},
}
