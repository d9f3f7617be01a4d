package mongo

import "github.com/pitot-io/pitot/decode/bson"

// replyPlan knows the answers of one structure to the commands of a plan, as a
// plan knows these: answers that went well, of which numbers are wanted.
type replyPlan struct {
	steps               []step
	hasBatch, hasCursor bool
}

// relearn is how many answers may not fit before another is learned.
const relearn = 16

// planned reads an answer by the plan that it fits, if there is one.
func (x *exchange) planned(doc []byte, r *result) bool {
	if x.plan == nil {
		return false
	}
	p := x.plan.reply.Load()
	if p == nil {
		return false
	}
	var f fetched
	if !f.walk(p.steps, doc) {
		return false
	}
	*r = result{
		ok: true, hasOK: true, n: f.number, hasN: f.numbered,
		batch: f.batch, hasBatch: p.hasBatch, id: f.cursor, hasCursor: p.hasCursor,
	}
	return true
}

// learnReply takes in the structure of an answer that fitted no plan.
func (x *exchange) learnReply(doc []byte, r *result) {
	if x.plan == nil || !r.ok || r.write.Value != nil {
		return
	}
	if x.plan.reply.Load() != nil && x.plan.misses.Add(1)%relearn != 0 {
		return
	}
	p := &replyPlan{hasBatch: r.hasBatch, hasCursor: r.hasCursor}
	var b planner
	b.answer(doc)
	if !b.never && b.n <= maxSteps {
		p.steps = b.steps
		x.plan.reply.Store(p)
	}
}

// answer makes the steps of an answer that went well.
func (b *planner) answer(doc []byte) {
	it := bson.Elements(doc)
	for b.n <= maxSteps && !b.never {
		e, ok := it.Next()
		if !ok {
			b.never = it.Cut()
			return
		}
		switch string(e.Key) {
		case "ok":
			b.same(e)
		case "n":
			b.skip(e, actNumber)
		case "values":
			b.skip(e, actCount)
			b.never = b.never || e.Type != bson.Array
		case "cursor":
			b.cursor(e)
		case "code", "codeName", "writeErrors", "writeConcernError", "errorLabels", "nErrors":
			b.never = true
		default:
			b.skip(e, actNone)
		}
	}
}

func (b *planner) cursor(e bson.Element) {
	if b.never = b.never || e.Type != bson.Document; b.never {
		return
	}
	b.enter(e)
	for it := bson.Elements(e.Value); b.n <= maxSteps; {
		sub, ok := it.Next()
		if !ok {
			b.never = b.never || it.Cut()
			break
		}
		switch string(sub.Key) {
		case "id":
			b.skip(sub, actCursor)
		case "firstBatch", "nextBatch":
			b.skip(sub, actCount)
			b.never = b.never || sub.Type != bson.Array
		default:
			b.skip(sub, actNone)
		}
	}
	b.leave()
}
