/* SPDX-License-Identifier: ISC */
/*
 * renewal.c - reload and upgrade
 */
#include "server/renewal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/control.h"
#include "server/crash.h"
#include "server/crew.h"
#include "server/ending.h"
#include "server/fds.h"
#include "server/master_state.h"
#include "server/notify.h"
#include "server/succession.h"

/* A binary that says nothing for so long will not. */
#define TRIAL_NS     (30 * NS_PER_S)
#define REHEARSAL_NS (30 * NS_PER_S)

/* A worker leaves between two turns; one that hangs is shot before this. */
#define SLOT_NS (20 * NS_PER_S)

/*
 * So much longer than we wait ourselves the service manager is to wait: the
 * resolver may take its time, and until it returns nobody feeds the watchdog.
 */
#define SLACK_NS (30 * NS_PER_S)

/* How long after it was done it may be taken back, and for how many deaths. */
#define PROBATION_NS (10 * NS_PER_S)
#define DEATHS_MAX   5

/* Deaths of workers that never came to serve. */
#define UNSERVED_MAX 3

static const char *const kind_names[RENEWAL_KINDS] = {
	[RENEWAL_RELOAD] = "reload",
	[RENEWAL_UPGRADE] = "upgrade",
	[RENEWAL_ADOPTION] = "adoption",
	[RENEWAL_BACK] = "way back",
};

void renewal_init(struct renewal *renewal)
{
	*renewal = (struct renewal){
		.former_program_fd = -1,
		.former_config_fd = -1,
	};
	renewal_come_over(renewal);
}

void renewal_come_over(struct renewal *renewal)
{
	renewal->step = RENEWAL_NONE;
	trial_init(&renewal->trial);
	rehearsal_init(&renewal->rehearsal);
}

/* ---- who asked ---- */

static struct master *told; /* log_copy_to() takes no argument */

static void tell_line(const char *line)
{
	char text[OPERATOR_LINE_BYTES];

	(void)snprintf(text, sizeof(text), "%s%s",
		       told->renewal.trial.is_placed ? "" :
						       TRIAL_PROGRAM_PREFIX,
		       line);
	operators_tell(&told->operators, told->renewal.request, text);
}

void renewal_tell_begin(struct master *m)
{
	told = m;
	log_copy_to(tell_line);
}

void renewal_tell_end(void)
{
	log_copy_to(NULL);
}

static void forget_former(struct renewal *r)
{
	fds_close(&r->former_program_fd);
	fds_close(&r->former_config_fd);
}

static void answer(struct master *m, enum exit_code code)
{
	renewal_tell_end();
	/* first: who asked for the manager is to find it knowing */
	(void)notify_send("READY=1");
	/* an adoption: nobody asked, but somebody may be about to */
	if (m->renewal.request != OPERATOR_NONE)
		operators_answer(&m->operators, m->renewal.request, code);
}

/* Nothing has changed. */
static void fail(struct master *m, enum exit_code code)
{
	log_error("%s: failed; nothing was changed",
		  kind_names[m->renewal.kind]);
	answer(m, code);
	/* what was done before may still have to be taken back */
	m->renewal.step = m->renewal.former_program_fd >= 0 ?
				  RENEWAL_PROBATION :
				  RENEWAL_NONE;
}

/* ---- the trial ---- */

static int open_program(const struct master *m)
{
	if (m->renewal.kind == RENEWAL_UPGRADE)
		return open(m->program_path, O_PATH | O_CLOEXEC);
	return fcntl(m->instance.program_fd, F_DUPFD_CLOEXEC, 0);
}

static enum renewal_kind kind_of(enum operator_request request)
{
	return request == OPERATOR_UPGRADE ? RENEWAL_UPGRADE : RENEWAL_RELOAD;
}

/* Whether another one is under way; a probation is none. */
static bool is_busy(const struct renewal *r)
{
	return r->step != RENEWAL_NONE && r->step != RENEWAL_PROBATION;
}

/* Whoever asked for that, also while another one was under way. */
static void send_away(struct master *m, enum operator_request request,
		      const char *line)
{
	operators_take_up(&m->operators, request);
	operators_tell(&m->operators, request, line);
	operators_answer(&m->operators, request, EXIT_FAILED);
}

static void refuse(struct master *m, enum operator_request request,
		   const char *why)
{
	char text[128];

	log_notice("%s: %s", operator_words[request], why);
	(void)snprintf(text, sizeof(text), TRIAL_PROGRAM_PREFIX "%s: %s",
		       operator_words[request], why);
	send_away(m, request, text);
}

bool renewal_is_busy(const struct master *m)
{
	return is_busy(&m->renewal) || m->phase == PHASE_STARTING;
}

static int begin_trial(struct master *m)
{
	int program_fd = open_program(m);

	if (program_fd < 0)
		return -errno;
	return trial_begin(&m->renewal.trial, program_fd, m->program_path,
			   m->argv);
}

void renewal_request(struct master *m, enum operator_request request)
{
	struct renewal *r = &m->renewal;
	int err;

	if (master_is_ending(m)) {
		refuse(m, request, "the server is stopping");
		return;
	}
	if (renewal_is_busy(m)) {
		r->pending |= 1U << request;
		return;
	}
	r->step = RENEWAL_TRIAL;
	r->kind = kind_of(request);
	r->request = request;
	r->begun_ns = clock_mono_ns();
	r->deadline_ns = r->begun_ns + TRIAL_NS;
	operators_take_up(&m->operators, request);
	(void)notify_reloading();
	(void)notify_extend(TRIAL_NS + SLACK_NS);
	renewal_tell_begin(m);
	err = begin_trial(m);
	CRASH_POINT(TRIAL_BEGUN);
	if (!err)
		return;
	log_error("%s: %s", m->program_path, strerror(-err));
	fail(m, EXIT_FAILED);
}

void renewal_read(struct master *m)
{
	trial_read(&m->renewal.trial);
}

/* It can be: now we become it. What goes wrong from here on, it undoes. */
static void become(struct master *m)
{
	struct renewal *r = &m->renewal;
	int err;

	forget_former(r); /* what there is now is what we would go back to */
	r->former_program_fd =
		fcntl(m->instance.program_fd, F_DUPFD_CLOEXEC, 0);
	r->former_config_fd = fcntl(m->instance.config_fd, F_DUPFD_CLOEXEC, 0);
	r->has_touched = false;
	(void)notify_extend(SLACK_NS);
	CRASH_POINT(TRIAL_PASSED);
	err = succession_exec(m, r->trial.program_fd);
	log_error("%s: cannot be executed: %s", m->program_path,
		  strerror(-err));
	forget_former(r);
	fail(m, EXIT_FAILED);
}

static void end_trial(struct master *m, int status)
{
	enum exit_code code =
		trial_end(&m->renewal.trial, m->program_path, status);

	if (code == EXIT_DONE)
		become(m);
	else
		fail(m, code);
}

/* ---- its end ---- */

static void end_with(struct master *m, enum exit_code code)
{
	struct renewal *r = &m->renewal;

	for (unsigned s = 0; s < m->n_slots; s++)
		crew_settle(m, &m->slots[s]);
	CRASH_POINT(ALL_RENEWED);
	answer(m, code);
	if (r->kind == RENEWAL_BACK || code != EXIT_DONE) {
		forget_former(r);
		r->step = RENEWAL_NONE;
	} else {
		r->step = RENEWAL_PROBATION;
		r->on_probation = r->kind;
		r->probation_ns = clock_mono_ns() + PROBATION_NS;
		CRASH_POINT(PROBATION_BEGUN);
	}
}

/* ---- the way back ---- */

/* There is something to go back to, and we are not on the way already. */
static bool may_go_back(const struct renewal *r)
{
	return r->former_program_fd >= 0 && r->kind != RENEWAL_BACK;
}

/* Becomes what we were; it tells who asked. Returns when it cannot. */
static void exec_former(struct master *m, enum exit_code code)
{
	struct renewal *r = &m->renewal;
	int err;

	r->kind = RENEWAL_BACK;
	r->code = code;
	if (!r->has_touched)
		instance_drop_new(&m->instance); /* nobody knows them */
	CRASH_POINT(BACK_BEGUN);
	err = succession_exec(m, r->former_program_fd);
	log_error("cannot go back to what was before: %s", strerror(-err));
}

/* Or it stays what it is. */
static void go_back(struct master *m, enum exit_code code)
{
	if (may_go_back(&m->renewal))
		exec_former(m, code);
	else
		log_error("%s: failed; workers stay what they are",
			  kind_names[m->renewal.kind]);
	end_with(m, code);
}

void renewal_give_up(struct master *m)
{
	if (may_go_back(&m->renewal))
		exec_former(m, EXIT_FAILED);
}

/* ---- the slots ---- */

static void begin_slots(struct master *m)
{
	struct renewal *r = &m->renewal;
	int err = instance_commit(&m->instance);

	if (err) {
		go_back(m, EXIT_FAILED);
		return;
	}
	r->step = RENEWAL_SLOTS;
	r->slot_deadline_ns = 0;
	r->has_touched = true;
	for (unsigned s = 0; s < m->n_slots; s++)
		m->slots[s].renewal = RENEWAL_STALE;
}

static void end_rehearsal(struct master *m, int status)
{
	if (!rehearsal_end(&m->renewal.rehearsal, status)) {
		go_back(m, EXIT_FAILED);
		return;
	}
	CRASH_POINT(REHEARSAL_PASSED);
	begin_slots(m);
}

bool renewal_on_child(struct master *m, pid_t pid, int status)
{
	struct renewal *r = &m->renewal;
	bool is_trial = pid == r->trial.pid;

	if (!is_trial && pid != r->rehearsal.pid)
		return false;
	/* given up, for the server ends: nothing follows from it */
	if (r->step == RENEWAL_NONE)
		r->trial.pid = r->rehearsal.pid = 0;
	else if (is_trial)
		end_trial(m, status);
	else
		end_rehearsal(m, status);
	return true;
}

/* A slot in which somebody has yet to become what we are. */
static bool is_stale(const struct slot *slot)
{
	return slot->state == SLOT_RUNNING && slot->renewal != RENEWAL_FRESH;
}

static void send_plan(struct master *m, struct slot *slot)
{
	struct keeper_plan plan;
	int err = crew_plan(m, &plan);

	if (!err)
		err = slot_send_plan(slot, &plan);
	free(plan.fd);
	CRASH_POINT(PLAN_SENT);
	if (!err)
		return;
	log_error("keeper %u: cannot be told what to be: %s", slot->number,
		  strerror(-err));
	/* an empty plan cannot be followed: it stays what it is, with a worker */
	if (slot_send_plan(slot, &(struct keeper_plan){ 0 }) < 0)
		slot_kill(slot);
}

void renewal_on_report(struct master *m, struct slot *slot,
		       enum control_kind kind)
{
	struct renewal *r = &m->renewal;

	if (kind == CONTROL_BARE) {
		send_plan(m, slot);
		return;
	}
	if (r->step != RENEWAL_SLOTS)
		return;
	if (kind == CONTROL_SERVING && slot->renewal == RENEWAL_FRESH)
		CRASH_POINT(SLOT_RENEWED);
	if (kind == CONTROL_NOT_RENEWED && slot->renewal == RENEWAL_PLANNED)
		slot->renewal = RENEWAL_FAILED;
}

/*
 * One that fails fails all, whichever it is: the others may be well because
 * they have no connections, and his wait for somebody who can serve them.
 */
static void give_slot_up(struct master *m, struct slot *slot, const char *why)
{
	if (may_go_back(&m->renewal)) {
		log_error("worker %u: %s", slot->number, why);
		go_back(m, EXIT_FAILED);
		return;
	}
	log_warning("worker %u: %s; the others go on", slot->number, why);
	slot->renewal = RENEWAL_FRESH;
}

/* A handler may block for long. When it returns, its keeper asks for the plan,
   whatever we do by then: see renewal_on_report(). */
static void leave_for_later(struct slot *slot)
{
	log_warning("worker %u: is busy in a handler, or stopped, and is "
		    "renewed when it goes on",
		    slot->number);
	slot->renewal = RENEWAL_FRESH;
}

static void watch_slot(struct master *m, struct slot *slot, uint64_t now_ns)
{
	if (slot->n_unserved >= UNSERVED_MAX)
		give_slot_up(m, slot, "dies before it serves");
	else if (slot->renewal == RENEWAL_FAILED)
		give_slot_up(m, slot, "its keeper could not be renewed");
	else if (now_ns < m->renewal.slot_deadline_ns)
		return;
	else if (slot->renewal == RENEWAL_ASKED)
		leave_for_later(slot);
	else
		give_slot_up(m, slot, "did not come to serve");
}

void renewal_on_death(struct master *m, const struct slot *slot, int status)
{
	const struct renewal *r = &m->renewal;

	if (!may_go_back(r) || ending_is_from_outside(status))
		return;
	if (r->step == RENEWAL_SLOTS && slot->renewal == RENEWAL_PLANNED)
		log_error("keeper %u: died of its renewal", slot->number);
	else if (r->step == RENEWAL_PROBATION && !slot->has_left &&
		 status != -1)
		log_error("keeper %u: has died of itself since the %s; going "
			  "back to what was before",
			  slot->number, kind_names[r->on_probation]);
	else
		return;
	go_back(m, EXIT_FAILED);
}

/* The first slot whose worker does not serve can prove nothing. */
static bool is_better(const struct slot *slot, const struct slot *than)
{
	return !than || (slot->is_serving && !than->is_serving);
}

static struct slot *next_stale(struct master *m)
{
	struct slot *best = NULL;

	for (unsigned s = 0; s < m->n_slots; s++)
		if (is_stale(&m->slots[s]) && is_better(&m->slots[s], best))
			best = &m->slots[s];
	return best;
}

static bool is_in_hand(const struct slot *slot)
{
	return slot->state == SLOT_RUNNING && slot->renewal != RENEWAL_STALE &&
	       slot->renewal != RENEWAL_FRESH;
}

static struct slot *in_hand(struct master *m)
{
	for (unsigned s = 0; s < m->n_slots; s++)
		if (is_in_hand(&m->slots[s]))
			return &m->slots[s];
	return NULL;
}

static unsigned n_configured(const struct master *m)
{
	unsigned n = config_n_workers(&m->config);

	/* within its range, the load says how many */
	if (m->config.workers_max && m->n_wanted > n)
		n = (unsigned)min_u64(m->n_wanted, m->config.workers_max);
	return n;
}

static bool is_coming(const struct slot *slot)
{
	return slot_is_kept(slot) && slot->state != SLOT_BACKOFF &&
	       !slot->is_serving && slot->n_unserved < UNSERVED_MAX;
}

static void renew_slots(struct master *m, uint64_t now_ns)
{
	struct renewal *r = &m->renewal;
	struct slot *slot = in_hand(m);

	if (slot) {
		watch_slot(m, slot, now_ns);
		return;
	}
	slot = next_stale(m);
	if (slot) {
		r->slot_deadline_ns = now_ns + SLOT_NS;
		(void)notify_extend(SLOT_NS + SLACK_NS);
		slot_renew(slot);
		CRASH_POINT(SLOT_ASKED);
		return;
	}
	if (crew_count(m, slot_is_kept) != n_configured(m) &&
	    m->n_wanted + m->n_short != n_configured(m)) {
		r->slot_deadline_ns = now_ns + SLOT_NS;
		(void)crew_keep(m, n_configured(m));
	}
	if (!crew_count(m, is_coming) || now_ns >= r->slot_deadline_ns)
		renewal_finish(m);
}

/* ---- done ---- */

static void say_done(const struct master *m)
{
	const struct renewal *r = &m->renewal;
	uint64_t ms = (clock_mono_ns() - r->begun_ns) / NS_PER_MS;

	if (r->kind == RENEWAL_BACK)
		log_warning("everything is as it was before");
	else
		log_notice("%s: done in %llu ms; %s, %u workers",
			   kind_names[r->kind], (unsigned long long)ms,
			   GUICHET_VERSION,
			   crew_count(m, crew_is_kept_and_serving));
}

void renewal_begin(struct master *m, bool with_rehearsal)
{
	struct renewal *r = &m->renewal;
	int err = 0;

	r->step = RENEWAL_REHEARSAL;
	r->deadline_ns = clock_mono_ns() + REHEARSAL_NS;
	(void)notify_extend(REHEARSAL_NS + SLACK_NS);
	if (with_rehearsal)
		err = rehearsal_begin(&r->rehearsal, &m->instance);
	else
		begin_slots(m);
	if (!err)
		return;
	log_error("cannot try a worker: %s", strerror(-err));
	go_back(m, EXIT_FAILED);
}

void renewal_finish(struct master *m)
{
	const struct renewal *r = &m->renewal;

	instance_settle(&m->instance);
	say_done(m);
	end_with(m, r->kind == RENEWAL_BACK ? r->code : EXIT_DONE);
}

/*
 * A crash loop shows when it is in use: then what was before is better. Deaths
 * from outside, and those of before, do not count.
 */
static void watch_probation(struct master *m, uint64_t now_ns)
{
	struct renewal *r = &m->renewal;

	for (unsigned s = 0; s < m->n_slots; s++) {
		const struct slot *slot = &m->slots[s];

		if (r->former_program_fd < 0 ||
		    (slot->n_deaths < DEATHS_MAX &&
		     slot->n_unserved < UNSERVED_MAX))
			continue;
		log_error("worker %u: has died %u times since the %s; going "
			  "back to what was before",
			  s, slot->n_deaths, kind_names[r->on_probation]);
		go_back(m, EXIT_FAILED);
		return;
	}
	if (now_ns < r->probation_ns)
		return;
	forget_former(r);
	r->step = RENEWAL_NONE;
}

void renewal_abandon(struct master *m)
{
	struct renewal *r = &m->renewal;
	bool was_busy = is_busy(r);

	trial_abandon(&r->trial);
	rehearsal_abandon(&r->rehearsal);
	/* or an earlier one could not be done, nor undone */
	if (was_busy || m->instance.inherited.n)
		instance_settle(&m->instance);
	forget_former(r);
	r->step = RENEWAL_NONE;
	r->pending = 0;
	renewal_tell_end();
	for (int i = OPERATOR_NONE + 1; i < OPERATOR_REQUESTS; i++)
		send_away(m, (enum operator_request)i,
			  TRIAL_PROGRAM_PREFIX "the server is stopping");
	if (was_busy)
		log_notice("%s: given up, for the server is stopping",
			   kind_names[r->kind]);
}

/* ---- time ---- */

/* What was asked for while another one was under way. */
static void begin_pending(struct master *m)
{
	for (unsigned i = 1; i < OPERATOR_REQUESTS; i++) {
		unsigned bit = 1U << i;

		if (!(m->renewal.pending & bit))
			continue;
		m->renewal.pending &= ~bit;
		renewal_request(m, (enum operator_request)i);
		return;
	}
}

static void end_late_child(struct master *m, uint64_t now_ns)
{
	struct renewal *r = &m->renewal;

	if (now_ns < r->deadline_ns)
		return;
	log_error("%s: %s hangs, and is ended", kind_names[r->kind],
		  r->step == RENEWAL_TRIAL ? "the program that is tried" :
					     "the keeper that is tried");
	r->deadline_ns = UINT64_MAX; /* once */
	trial_abandon(&r->trial);
	rehearsal_abandon(&r->rehearsal);
}

void renewal_look(struct master *m, uint64_t now_ns)
{
	struct renewal *r = &m->renewal;

	if (r->step == RENEWAL_SLOTS)
		renew_slots(m, now_ns);
	else if (r->step == RENEWAL_PROBATION)
		watch_probation(m, now_ns);
	else if (r->step != RENEWAL_NONE)
		end_late_child(m, now_ns);
	if (!renewal_is_busy(m))
		begin_pending(m);
}

uint64_t renewal_next_ns(const struct master *m)
{
	const struct renewal *r = &m->renewal;

	if (r->pending && !renewal_is_busy(m))
		return 0;
	switch (r->step) {
	case RENEWAL_NONE:
		return UINT64_MAX;
	case RENEWAL_SLOTS:
		return r->slot_deadline_ns;
	case RENEWAL_PROBATION:
		return r->probation_ns;
	default:
		return r->deadline_ns;
	}
}
