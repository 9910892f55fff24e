/* SPDX-License-Identifier: ISC */
/*
 * renewal.h - reload and upgrade: all become what the new configuration, or
 * the new binary, says, and no connection notices
 *
 *     trial       the binary, by itself, reads the configuration (guichetd -t)
 *     the master becomes the new program (succession.h): it opens what
 *                 listeners are new
 *     rehearsal   a keeper and its worker do all but accept, on a ledger that
 *                 is nobody's
 *     slots       one after the other: its worker leaves, its keeper becomes
 *                 the new program, a successor serves
 *
 * Up to the end of the rehearsal nothing has changed for anybody, and each
 * slot is a trial, too: one that does not come to serve, or whose worker dies
 * again and again soon after, takes everything back to what it was before.
 */
#ifndef GUICHET_RENEWAL_H
#define GUICHET_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base.h"
#include "server/operator.h"
#include "server/rehearsal.h"
#include "server/slot.h"
#include "server/trial.h"

struct master;

enum renewal_step {
	RENEWAL_NONE, /* nothing is under way */
	RENEWAL_TRIAL,
	RENEWAL_REHEARSAL,
	RENEWAL_SLOTS,
	RENEWAL_PROBATION, /* done, but may have to be taken back */
	RENEWAL_STEPS
};

enum renewal_kind {
	RENEWAL_RELOAD,
	RENEWAL_UPGRADE,
	RENEWAL_ADOPTION, /* another master's keepers */
	RENEWAL_BACK,     /* what it was to be has failed */
	RENEWAL_KINDS
};

struct renewal {
	enum renewal_step step;
	enum renewal_kind kind;
	enum operator_request request; /* who is to be answered */
	enum exit_code code;           /* with what, when it is a way back */
	bool has_touched;              /* a slot, so far */
	unsigned pending; /* asked for meanwhile: bits by operator_request */
	uint64_t begun_ns;

	struct trial trial;
	struct rehearsal rehearsal;
	uint64_t deadline_ns; /* of the step */

	uint64_t slot_deadline_ns;

	enum renewal_kind on_probation; /* what was done last */
	uint64_t probation_ns;          /* and until when */

	/* what to go back to; -1: nothing */
	int former_program_fd;
	int former_config_fd;
};

void renewal_init(struct renewal *renewal);

/* It has come to another program, with what to go back to and nothing else. */
void renewal_come_over(struct renewal *renewal);
/* Whether one that is asked for now has to wait for another's end. */
bool renewal_is_busy(const struct master *m);

/* Begins one, or notes that one is to follow. */
void renewal_request(struct master *m, enum operator_request request);

/*
 * In the program that the master has become, when the instance has gone on:
 * renews the slots. Or all is done: answers who asked. Or it never will be:
 * becomes again what it was, and returns only when it cannot.
 */
void renewal_begin(struct master *m, bool with_rehearsal);
void renewal_finish(struct master *m);
void renewal_give_up(struct master *m);

/* What happens: the trial speaks, a child ends (false: another's), a keeper
   dies, a slot has said something; and what time brings, and when. */
void renewal_read(struct master *m);
bool renewal_on_child(struct master *m, pid_t pid, int status);
void renewal_on_death(struct master *m, const struct slot *slot, int status);
void renewal_on_report(struct master *m, struct slot *slot,
		       enum control_kind kind);
void renewal_look(struct master *m, uint64_t now_ns);
uint64_t renewal_next_ns(const struct master *m);

/* The server ends: what was under way is not. */
void renewal_abandon(struct master *m);

/*
 * Lines of the log go to the operator who asked, too, between these two.
 */
void renewal_tell_begin(struct master *m);
void renewal_tell_end(void);

#endif
