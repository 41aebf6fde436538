// What a lane says to the host of its frame, once it is known what has come of it. Part of engine.h.
#pragma once
#include "log.h"

// Where a reply of `bytes` bytes was written.
ENGINE_FN const u8* reply_of(const Lane& l, u32 bytes) { return bytes <= SHORT_REPLY ? l.reply : l.rest->room; }

// The frame of an answer.
ENGINE_FN Outgoing frame_of(const Lane& l, const Answer& a) {
    return {a.op, TO_HOST, l.head.row, l.head.generation, a.answers ? l.head.correlation : NO_CORRELATION, a.message, a.bytes, 0};
}

// A frame for the host, behind all that handlers have emitted: `words` stand in the lane's reply, or are logged.
ENGINE_CALL void say(Block& b, Lane& l, u32 op, u32 message, bool answers, const u8* words, u32 bytes) {
    known(b), known(l);
    Answer a{(u16)op, (u16)message, (u16)bytes, answers, NOT_LOGGED};
    if (bytes > INLINE_BYTES || (bytes && words != l.reply)) {
        a.at = log_frame(b, l, frame_of(l, a), 0, 0, (const u32*)words);
        if (a.at == NOT_LOGGED) return;
    }
    l.answer[l.answers++] = a;
}

// Answers the frame where its caller waits.
ENGINE_FN void answer(Block& b, Lane& l, u32 op, u32 message, u32 bytes) {
    const Head& h = l.head;
    if (h.op != OP_CALL_DIRECT) { say(b, l, op, message, true, reply_of(l, bytes), bytes); return; }
    const bool fits = h.correlation < b.reply_lines && slots_for(bytes) <= b.reply_lines - h.correlation;
    if (!rare(!fits)) l.line = {(u16)op, (u16)message, (u16)bytes, 1, 0};
    else ++l.refused;
}

ENGINE_FN void refuse(Block& b, Lane& l, u32 reason) {
    ++l.refused;
    if (l.head.op != OP_CAST && l.head.op != OP_INIT && !is_from_inbox(l)) answer(b, l, OP_REFUSED, reason, 0);
}

// The host hears of a fault before the caller does.
ENGINE_CALL void tell_failed(Block& b, Lane& l) {
    known(b), known(l);
    const Head& h = l.head;
    const Outcome& o = l.outcome;
    u8* const told = o.text_bytes ? l.rest->outgoing : l.reply;
    *(FaultInfo*)told = {o.handled, h.message, 0};
    if (o.text_bytes) copy(told + sizeof(FaultInfo), b.workers[l.warp].rests[o.text_of].room + MAX_PAYLOAD, o.text_bytes);
    say(b, l, OP_FAULT, o.value, h.op == OP_CALL, told, sizeof(FaultInfo) + o.text_bytes);
    if (h.op == OP_CALL_DIRECT) answer(b, l, OP_FAULT, o.value, 0);
}

// E-6: what a message was that a launch before was lost by. A direct call's line may be another caller's by now, so the host ends it.
ENGINE_FN BlameInfo blame_of(const Head& h, u64 handled, u32 failed) {
    const bool direct = h.op == OP_CALL_DIRECT;
    return {handled, h.message, failed, direct ? h.correlation : NO_CORRELATION, h.reply_tag};
}
ENGINE_CALL void tell_blamed(Block& b, Lane& l) {
    known(b), known(l);
    const Head& h = l.head;
    const bool failed = l.outcome.value != 0;
    const u32 ahead = h.op == OP_ASK ? (u32)sizeof(ReplyTo) : 0;
    // The message goes back to the host.
    if (failed) say(b, l, OP_RETURN, h.message, false, l.payload + ahead, h.length - ahead);
    *(BlameInfo*)l.reply = blame_of(h, l.outcome.handled, failed);
    say(b, l, OP_BLAMED, b.loss & 0xffff, h.op == OP_CALL, l.reply, sizeof(BlameInfo));
}

// Says what has come of the lane's frame.
ENGINE_FN void conclude(Block& b, Lane& l) {
    const Outcome& o = l.outcome;
    if (!rare(o.what != OUTCOME_HANDLED)) {
        if (is_call(l.head.op)) answer(b, l, OP_REPLY, l.head.message, o.value);
        if (rare(o.ended)) say(b, l, OP_ENDED, 0, false, l.reply, 0);
    } else if (o.what == OUTCOME_REFUSED) {
        refuse(b, l, o.value);
    } else if (o.what == OUTCOME_FAILED) {
        tell_failed(b, l);
    } else if (o.what == OUTCOME_BLAMED) {
        tell_blamed(b, l);
    }
}
