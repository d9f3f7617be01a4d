package minimongo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func TestUnknownCommandsAreRefusedAsAServerDoes(t *testing.T) {
	s := start(t, Options{})
	db := connect(t, s).Database("shop")
	err := db.RunCommand(t.Context(), bson.D{{Key: "replSetStepDown", Value: 1}}).Err()
	wantCode(t, err, 59, "CommandNotFound")
	if !strings.Contains(err.Error(), "no such command: 'replSetStepDown'") {
		t.Errorf("message %v", err)
	}
	err = db.RunCommand(t.Context(), bson.D{{Key: "find", Value: "x"}, {Key: "filter", Value: "text"}}).Err()
	wantCode(t, err, 14, "TypeMismatch")
	err = db.RunCommand(t.Context(), bson.D{{Key: "find", Value: "x"}, {Key: "filter", Value: bson.D{{Key: "a", Value: bson.D{{Key: "$near", Value: 1}}}}}}).Err()
	wantCode(t, err, 2, "BadValue")
}

func TestOptionsThatWouldChangeAnAnswerAreRefused(t *testing.T) {
	s := start(t, Options{})
	coll := connect(t, s).Database("shop").Collection("x")
	german := &options.Collation{Locale: "de"}
	wantCode(t, coll.FindOne(t.Context(), bson.D{}, options.FindOne().SetCollation(german)).Err(), 115, "CommandNotSupported")
	wantCode(t, coll.FindOne(t.Context(), bson.D{}, options.FindOne().SetMin(ext(t, `{"a":1}`))).Err(), 115, "CommandNotSupported")
	wantCode(t, coll.FindOne(t.Context(), bson.D{}, options.FindOne().SetProjection(ext(t, `{"a.$":1}`))).Err(), 2, "BadValue")
	if _, err := coll.UpdateOne(t.Context(), bson.D{}, ext(t, `{"$set":{"a":1}}`), options.UpdateOne().SetCollation(german)); err == nil {
		t.Error("an update took a collation")
	}
	simple := options.FindOne().SetCollation(&options.Collation{Locale: "simple"}).SetHint("_id_")
	if err := coll.FindOne(t.Context(), bson.D{}, simple).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
		t.Error(err)
	}
}

func TestLatencyIsWaitedPerCommand(t *testing.T) {
	s := start(t, Options{Latency: func(command, coll string) time.Duration {
		if command == "find" && coll == "slow" {
			return 60 * time.Millisecond
		}
		return 0
	}})
	db := connect(t, s).Database("shop")
	began := time.Now()
	if err := db.Collection("slow").FindOne(t.Context(), bson.D{}).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
		t.Error(err)
	}
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("find took %v", took)
	}
}

func TestLimitsHold(t *testing.T) {
	s := start(t, Options{MaxDocuments: 2})
	coll := connect(t, s).Database("shop").Collection("x")
	_, err := coll.InsertMany(t.Context(), []any{bson.D{}, bson.D{}, bson.D{}})
	if err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("third document: %v", err)
	}
	if _, err := Listen("127.0.0.1:0", Options{Compressors: []string{"lz4"}}); err == nil {
		t.Error("an unknown compressor was taken")
	}
}
