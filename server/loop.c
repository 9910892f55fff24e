/* SPDX-License-Identifier: ISC */
/*
 * loop.c - the life of a worker: takes over, waits, serves, leaves
 *
 * One epoll loop. Everything it waits for is level-triggered, so a batch may
 * be cut short anywhere (by a death, too) and nothing is missed.
 */
#include "server/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/accept.h"
#include "server/conn.h"
#include "server/control.h"
#include "server/datagram.h"
#include "server/follow.h"
#include "server/guard.h"
#include "server/resume.h"
#include "server/title.h"

/* 64 and more cost the same; 1 costs 6 % more. */
#define EVENTS_MAX 128

/* How long a connection whose wake-up was lost waits at most, and how often
 * an idle worker says that it lives. */
#define TICK_NS (250 * NS_PER_MS)

_Noreturn static void fail(const struct worker *w, const char *what,
			   int64_t err)
{
	log_error("worker %u: %s: %s", w->post->slot, what,
		  strerror((int)-err));
	_exit(WORKER_EXIT_FAILED);
}

/* How long the answers of this batch took, at most: since it was readable. */
static void count_turns(struct worker *w)
{
	ledger_count_t *bucket;

	if (!w->n_turns)
		return;
	bucket = &w->post->part
			  .turns[histogram_bucket(clock_mono_ns() - w->now_ns)];
	ledger_add(*bucket, w->n_turns);
	w->n_turns = 0;
}

/* ---- orders ---- */

_Noreturn static void leave(void)
{
	_exit(WORKER_EXIT_DONE);
}

/*
 * For a successor, between two turns: nothing is in hand, and all that the
 * rest of this batch tells of, epoll will tell again.
 */
_Noreturn static void make_way(struct worker *w)
{
	count_turns(w);
	_exit(WORKER_EXIT_LEFT);
}

static void close_all(struct worker *w, enum close_reason reason)
{
	uint32_t high = ledger_get(w->head->rows_high);

	for (uint32_t row = 0; row < high; row++)
		if (w->conns[row].serial != UINT32_MAX)
			conn_end(w, row, reason);
}

static void close_idle(struct worker *w)
{
	uint32_t high = ledger_get(w->head->rows_high);

	for (uint32_t row = 0; row < high; row++)
		if (w->conns[row].serial != UINT32_MAX)
			conn_end_idle(w, row);
}

/* release: whoever sees it serving finds its totals complete */
static void set_state(struct worker *w, enum worker_state state)
{
	atomic_store_explicit(&w->head->state, state, memory_order_release);
}

static void serve(struct worker *w)
{
	int err;

	if (w->is_accepting || w->is_draining ||
	    ledger_get(w->post->order->is_deaf))
		return;
	err = accept_watch(w);
	if (err)
		fail(w, "cannot watch its listeners", err);
	w->is_accepting = true;
	set_state(w, WORKER_SERVING);
}

/* A successor that is born retired has nothing to stop. */
static void retire(struct worker *w)
{
	if (w->is_draining)
		return;
	if (w->is_accepting)
		accept_stop(w);
	w->is_accepting = false;
	set_state(w, WORKER_DRAINING);
}

static void drain(struct worker *w)
{
	struct order_page *page = w->post->order;

	if (w->is_draining)
		return;
	w->is_draining = true;
	set_state(w, WORKER_DRAINING);
	/* once deaf, the listeners may be closed under us: not ours to touch */
	if (!ledger_get(page->is_deaf))
		accept_stop(w);
	w->is_accepting = false;
	ledger_set(page->is_deaf, 1);
	close_idle(w);
}

static void stop(struct worker *w)
{
	close_all(w, CLOSE_DRAIN);
	leave();
}

static void obey(struct worker *w)
{
	static void (*const orders[])(struct worker *) = {
		[ORDER_SERVE] = serve,
		[ORDER_RETIRE] = retire,
		[ORDER_DRAIN] = drain,
		[ORDER_STOP] = stop,
	};

	_Static_assert(ARRAY_LEN(orders) == ORDERS, "one for each");
	if (ledger_get(w->post->order->is_to_leave))
		make_way(w);
	/* acquire: pairs with the keeper's release; its deadline is there */
	orders[atomic_load_explicit(&w->post->order->order,
				    memory_order_acquire)](w);
}

static void on_order(struct worker *w, uint32_t index, uint32_t serial)
{
	uint64_t n;

	(void)index;
	(void)serial;
	(void)!read(w->post->order_fd, &n, sizeof(n)); /* only to silence it */
	obey(w);
}

/* It accepts no more: is it done, or out of time? */
static void look_at_end(struct worker *w)
{
	if (!ledger_get(w->head->n_open))
		leave();
	if (w->is_draining &&
	    w->now_ns >= ledger_get(w->post->order->deadline_mono_ns))
		stop(w);
}

/* ---- the loop ---- */

static void on_listener(struct worker *w, uint32_t listener, uint32_t serial)
{
	(void)serial;
	accept_event(w, listener);
}

static void on_datagram(struct worker *w, uint32_t listener, uint32_t serial)
{
	(void)serial;
	datagram_event(w, listener);
}

typedef void event_fn(struct worker *w, uint32_t index, uint32_t serial);

static event_fn *const on_event[WATCH_KINDS] = {
	[WATCH_ORDER] = on_order,        [WATCH_LISTENER] = on_listener,
	[WATCH_DATAGRAM] = on_datagram,  [WATCH_CONN] = conn_event,
	[WATCH_PROGRAMS] = follow_event,
};

static void dispatch(struct worker *w, const struct epoll_event *ev)
{
	uint64_t data = ev->data.u64;

	on_event[data >> 60](w, (uint32_t)data,
			     (uint32_t)(data >> 32) & 0xfffffff);
}

static void look_at_conn(void *context, uint32_t row)
{
	conn_look(context, row);
}

static uint64_t tick_ns(const struct worker *w)
{
	return w->n_resting || accept_refuses(w) ? ACCEPT_LOOK_NS : TICK_NS;
}

static void tick(struct worker *w)
{
	if (w->now_ns < w->next_tick_ns)
		return;
	w->next_tick_ns = w->now_ns + tick_ns(w);
	if (w->is_accepting)
		accept_tick(w);
	wheel_turn(&w->wheel, w->now_ns, look_at_conn, w);
	follow_tick(w);
}

static int timeout_ms(const struct worker *w)
{
	if (w->next_tick_ns <= w->now_ns)
		return 0;
	return (int)((w->next_tick_ns - w->now_ns) / NS_PER_MS + 1);
}

/* In a drain: those that had their turn may have become idle by it. */
static void close_idle_of(struct worker *w, const struct epoll_event *events,
			  int n)
{
	for (int i = 0; i < n; i++) {
		uint64_t data = events[i].data.u64;
		uint32_t row = (uint32_t)data;

		if (data >> 60 == WATCH_CONN &&
		    w->conns[row].serial == ((data >> 32) & 0xfffffff))
			conn_end_idle(w, row);
	}
}

static void turn_loop(struct worker *w)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(w->epoll_fd, events, EVENTS_MAX, timeout_ms(w));

	w->now_ns = clock_mono_ns();
	ledger_set(w->head->heartbeat_mono_ns, w->now_ns);
	for (int i = 0; i < n; i++)
		dispatch(w, &events[i]);
	count_turns(w);
	if (w->is_draining)
		close_idle_of(w, events, n);
	tick(w);
	if (w->is_aside)
		accept_look(w);
	if (!w->is_accepting)
		look_at_end(w);
}

/* ---- starting ---- */

static int watch_orders(struct worker *w)
{
	struct epoll_event ev = {
		.events = EPOLLIN,
		.data.u64 = watch_data(WATCH_ORDER, 0, 0),
	};

	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->post->order_fd, &ev) < 0)
		return -errno;
	return 0;
}

static int make_room(struct worker *w)
{
	w->conns = calloc(w->n_rows, sizeof(*w->conns));
	w->free_rows = calloc(w->n_rows, sizeof(*w->free_rows));
	w->rests = calloc(w->post->n_listeners + 1, sizeof(*w->rests));
	if (!w->conns || !w->free_rows || !w->rests)
		return -ENOMEM;
	wheel_open(&w->wheel, &w->conns[0].link, sizeof(w->conns[0]),
		   w->now_ns);
	return 0;
}

/* The ledger is as large as it was made; the limit is today's. */
static uint32_t n_max_of(const struct post *post)
{
	return (uint32_t)min_u64(post->view.shape.n_rows,
				 post->config->worker_connections);
}

static void open_worker(struct worker *w, struct post *post)
{
	*w = (struct worker){
		.post = post,
		.head = post->part.head,
		.totals = post->part.totals,
		.rows = post->part.rows,
		.vault = &post->vault,
		.listeners = post->listeners,
		.n_rows = post->view.shape.n_rows,
		.n_max = n_max_of(post),
		.now_ns = clock_mono_ns(),
	};
	ledger_set(w->head->pid, getpid());
	ledger_set(w->head->started_mono_ns, w->now_ns);
	ledger_set(w->head->heartbeat_mono_ns, w->now_ns);
}

/* It serves, or does what else its keeper wants by now. */
static void begin_to_serve(struct worker *w, int64_t n_resumed,
			   enum legacy legacy)
{
	bool is_succession = legacy != LEGACY_NONE;

	ledger_add(w->head->successions, is_succession);
	obey(w);
	if (is_succession)
		log_info("worker %u: took over %lld connections", w->post->slot,
			 (long long)n_resumed);
	control_say(w->post->control_fd, CONTROL_SERVING, 0, 0);
	follow_resume(w);
}

_Noreturn void loop_run(struct post *post, enum legacy legacy)
{
	struct worker w;
	int64_t n_resumed;
	int err;

	guard_die_with(post->keeper);
	guard_child(SIGTERM);
	title_set("worker %u, %s", post->slot, GUICHET_VERSION);
	open_worker(&w, post);
	err = make_room(&w);
	if (err)
		fail(&w, "no room for its connections", err);
	n_resumed = resume_all(&w, legacy);
	if (n_resumed < 0)
		fail(&w, "cannot take over", n_resumed);
	err = watch_orders(&w);
	if (!err)
		err = follow_watch(&w);
	if (err)
		fail(&w, "cannot watch its keeper", err);
	begin_to_serve(&w, n_resumed, legacy);
	for (;;)
		turn_loop(&w);
}
