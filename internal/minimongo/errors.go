package minimongo

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// code is one of the server's error codes with its name, as replies carry both.
type code struct {
	number int32
	name   string
}

// The codes this server answers with; numbers and names are MongoDB's.
var (
	badValue             = code{2, "BadValue"}
	failedToParse        = code{9, "FailedToParse"}
	typeMismatch         = code{14, "TypeMismatch"}
	illegalOperation     = code{20, "IllegalOperation"}
	namespaceNotFound    = code{26, "NamespaceNotFound"}
	indexNotFound        = code{27, "IndexNotFound"}
	pathNotViable        = code{28, "PathNotViable"}
	conflictingUpdate    = code{40, "ConflictingUpdateOperators"}
	cursorNotFound       = code{43, "CursorNotFound"}
	namespaceExists      = code{48, "NamespaceExists"}
	dollarPrefixed       = code{52, "DollarPrefixedFieldName"}
	commandNotFound      = code{59, "CommandNotFound"}
	immutableField       = code{66, "ImmutableField"}
	cannotCreateIndex    = code{67, "CannotCreateIndex"}
	invalidOptions       = code{72, "InvalidOptions"}
	invalidNamespace     = code{73, "InvalidNamespace"}
	indexOptionsConflict = code{85, "IndexOptionsConflict"}
	commandNotSupported  = code{115, "CommandNotSupported"}
	exceededMemory       = code{146, "ExceededMemoryLimit"}
	invalidOperator      = code{168, "InvalidPipelineOperator"}
	noSuchTransaction    = code{251, "NoSuchTransaction"}
	invalidIDField       = code{2, "BadValue"}
	objectTooLarge       = code{10334, "BSONObjectTooLarge"}
	duplicateKey         = code{11000, "DuplicateKey"}
	unknownField         = code{40415, "Location40415"}
	unknownStage         = code{40324, "Location40324"}
	missingField         = code{40414, "Location40414"}
)

// failure is an error as a reply tells it.
type failure struct {
	code
	message string
	extra   bson.D // more fields: keyPattern and keyValue of a duplicate key, errorLabels
}

func (f *failure) Error() string { return fmt.Sprintf("%s (%d): %s", f.name, f.number, f.message) }

func (c code) errorf(format string, args ...any) *failure {
	return &failure{code: c, message: fmt.Sprintf(format, args...)}
}

// asFailure makes any error one that a reply can tell.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return code{8, "UnknownError"}.errorf("%v", err)
}

// reply is the failure as the answer to a whole command.
func (f *failure) reply() bson.D {
	d := bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: f.message}, {Key: "code", Value: f.number}, {Key: "codeName", Value: f.name}}
	return append(d, f.extra...)
}

// writeError is the failure of one write of several.
func (f *failure) writeError(index int) bson.D {
	d := bson.D{{Key: "index", Value: int32(index)}, {Key: "code", Value: f.number}}
	d = append(d, f.extra...)
	return append(d, bson.E{Key: "errmsg", Value: f.message})
}
