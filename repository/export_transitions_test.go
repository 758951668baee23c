package repository

// TaskTransitionSQL are the statements that change a task's state.
var TaskTransitionSQL = taskTransitionSQL
