// SPDX-License-Identifier: Apache-2.0
#include "runtime/worker.h"
#include "base/file.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct worker {
  struct vb_pool *pool;
  uint32_t index;
  pthread_t thread;
};

struct vb_pool {
  const struct vb_device_list *list;
  struct worker *worker;
  uint32_t workers;
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  struct vb_task *task; ///< the batch under way
  uint32_t tasks, finished;
  uint64_t batch; ///< counts batches, so that a worker takes each batch once
  bool stop;
};

static void run_task(struct vb_pool *p, struct vb_task *t) {
  struct vb_device *d = p->list->device[t->device];
  t->start_ns = vb_now_ns();
  t->result = d->run(d, t->kind, &t->op, &t->stats);
  t->end_ns = vb_now_ns();
  if (t->result) snprintf(t->error, sizeof t->error, "%s", vb_last_error());
}

static void run_batch(struct vb_pool *p, uint32_t device) {
  uint32_t done = 0;
  for (uint32_t i = 0; i < p->tasks; i++)
    if (p->task[i].device == device) run_task(p, &p->task[i]), done++;
  pthread_mutex_lock(&p->lock);
  p->finished += done;
  if (p->finished == p->tasks) pthread_cond_signal(&p->done);
  pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg) {
  struct worker *w = arg;
  struct vb_pool *p = w->pool;
  uint64_t seen = 0;
  pthread_mutex_lock(&p->lock);
  for (;;) {
    while (!p->stop && seen == p->batch) pthread_cond_wait(&p->work, &p->lock);
    if (p->stop) break;
    seen = p->batch;
    bool mine = false;
    for (uint32_t i = 0; i < p->tasks; i++) mine |= p->task[i].device == w->index;
    if (!mine) continue;
    pthread_mutex_unlock(&p->lock);
    run_batch(p, w->index);
    pthread_mutex_lock(&p->lock);
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

struct vb_pool *vb_pool_create(const struct vb_device_list *list) {
  struct vb_pool *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->list = list;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->work, NULL);
  pthread_cond_init(&p->done, NULL);
  p->worker = calloc(list->count, sizeof *p->worker);
  for (; p->worker && p->workers < list->count; p->workers++) {
    struct worker *w = &p->worker[p->workers];
    *w = (struct worker){.pool = p, .index = p->workers};
    if (pthread_create(&w->thread, NULL, work, w)) break;
  }
  if (p->workers == list->count) return p;
  vb_pool_destroy(p);
  return NULL;
}

vb_result vb_pool_run(struct vb_pool *p, struct vb_task *task, uint32_t tasks) {
  bool one = true;
  for (uint32_t i = 1; i < tasks; i++) one &= task[i].device == task[0].device;
  if (one) { // nothing to overlap: skip the hand-over
    for (uint32_t i = 0; i < tasks; i++) run_task(p, &task[i]);
  } else {
    pthread_mutex_lock(&p->lock);
    p->task = task;
    p->tasks = tasks;
    p->finished = 0;
    p->batch++;
    pthread_cond_broadcast(&p->work);
    while (p->finished < tasks) pthread_cond_wait(&p->done, &p->lock);
    p->tasks = 0;
    pthread_mutex_unlock(&p->lock);
  }
  for (uint32_t i = 0; i < tasks; i++)
    if (task[i].result) return vb_fail(task[i].result, "%s", task[i].error);
  return VB_OK;
}

void vb_pool_destroy(struct vb_pool *p) {
  if (!p) return;
  pthread_mutex_lock(&p->lock);
  p->stop = true;
  pthread_cond_broadcast(&p->work);
  pthread_mutex_unlock(&p->lock);
  for (uint32_t i = 0; i < p->workers; i++) pthread_join(p->worker[i].thread, NULL);
  pthread_cond_destroy(&p->work);
  pthread_cond_destroy(&p->done);
  pthread_mutex_destroy(&p->lock);
  free(p->worker);
  free(p);
}
